-- A chain of refresh tokens for each connection: run with as many threads as connections.
-- Each answer's refresh token is what the next request of that connection sends.
dofile("report.lua")

local job, token

function init()
  job = dofile(os.getenv("BENCH_JOB"))
  local line = 0
  for value in io.lines(os.getenv("BENCH_VALUES")) do
    if line == number then
      token = value
    end
    line = line + 1
  end
end

function request()
  return wrk.format(job.method, job.path, job.headers, job.body .. token)
end

function response(status, headers, body)
  token = body:match('"refresh_token"%s*:%s*"([^"]+)"') or token
end

-- One request for each prepared value, which takes the place of "@@". Run with one thread.
-- With `once` no value is sent twice; when they run out, the round does not count.
dofile("report.lua")

local requests, position, once = {}, 0, false

function init()
  local job = dofile(os.getenv("BENCH_JOB"))
  once = job.once
  if job.status then
    -- Only then: without a response() wrk does not hand each answer over, which costs it less.
    wrong = 0
    function response(status)
      if status ~= job.status then
        wrong = wrong + 1
      end
    end
  end
  for value in io.lines(os.getenv("BENCH_VALUES")) do
    local safe = value:gsub("%%", "%%%%")
    local headers = {}
    for name, text in pairs(job.headers) do
      headers[name] = text:gsub("@@", safe)
    end
    local body = job.body and job.body:gsub("@@", safe)
    requests[#requests + 1] = wrk.format(job.method, job.path, headers, body)
  end
end

function request()
  position = position + 1
  if position > #requests then
    if once then
      exhausted = 1
      wrk.thread:stop()
    end
    position = 1
  end
  return requests[position]
end

-- Ends every script: one line of JSON that bench/load.py reads.
-- Times are microseconds. `exhausted` is 1 when a thread had no prepared value left; `wrong` counts the answers whose
-- status is not the one a job wants.
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
end

function done(summary, latency)
  local exhausted, wrong = 0, 0
  for _, thread in ipairs(threads) do
    exhausted = math.max(exhausted, thread:get("exhausted") or 0)
    wrong = wrong + (thread:get("wrong") or 0)
  end
  local errors = summary.errors
  local members = {
    requests = summary.requests,
    duration = summary.duration,
    refused = errors.status,
    broken = errors.connect + errors.read + errors.write + errors.timeout,
    p50 = latency:percentile(50),
    p99 = latency:percentile(99),
    exhausted = exhausted,
    wrong = wrong,
  }
  local parts = {}
  for name, value in pairs(members) do
    parts[#parts + 1] = string.format('"%s": %d', name, value)
  end
  io.write("BENCH {" .. table.concat(parts, ", ") .. "}\n")
end

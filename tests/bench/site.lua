-- The load of the benchmark site, for wrk: hosts check in one after the other, and one check-in of CHANGING has a new
-- address. CHECKINS names a file with a row a host: hostname, the value of Authorization, and the two addresses between
-- which it changes. Which of them each host had last is kept in CHECKINS.had, so that one run goes on where the one
-- before has ended. CLOSE=1 ends the connection after each answer, as a router does. One line of figures is printed.

local path = os.getenv("CHECKINS")
local changing = tonumber(os.getenv("CHANGING"))
local close = os.getenv("CLOSE") == "1" and "Connection: close\r\n" or ""
local count = tonumber(os.getenv("THREADS"))
local threads = {} -- of the script's main instance

good, nochg, other, first_other, changed = 0, 0, 0, "", 0
hosts, had = {}, {} -- this thread's: the requests by address, and which of the two is its address now

local sent = 0

function setup(thread)
    thread:set("number", #threads)
    threads[#threads + 1] = thread
end

function init()
    local before = {}
    local file = io.open(path .. ".had")
    if file then
        for line in file:lines() do before[#before + 1] = tonumber(line) end
        file:close()
    end
    local row = 0
    for line in io.lines(path) do
        if row % count == number then
            local name, authorization, first, second = line:match("^(%S+) (.+) (%S+) (%S+)$")
            local texts = {}
            for version, address in ipairs({first, second}) do
                texts[version] = "GET /nic/update?hostname=" .. name .. " HTTP/1.1\r\nHost: localhost\r\n" ..
                    "Authorization: " .. authorization .. "\r\nX-Forwarded-For: " .. address .. "\r\n" .. close .. "\r\n"
            end
            hosts[#hosts + 1] = texts
            had[#hosts] = before[row + 1] or 1
        end
        row = row + 1
    end
end

function request()
    local host = sent % #hosts + 1
    sent = sent + 1
    if sent % changing == 0 then
        had[host] = 3 - had[host]
        changed = changed + 1
    end
    return hosts[host][had[host]]
end

function response(status, headers, body)
    local word = status == 200 and body:match("^(%a+) ")
    if word == "nochg" then
        nochg = nochg + 1
    elseif word == "good" then
        good = good + 1
    else
        if other == 0 then first_other = status .. " " .. body:sub(1, 80):gsub("[^%w%p ]", " ") end
        other = other + 1
    end
end

function done(summary, latency)
    local sums = {good = 0, nochg = 0, other = 0, changed = 0}
    local words, rows = "", {}
    for index, thread in ipairs(threads) do
        for name, sum in pairs(sums) do sums[name] = sum + thread:get(name) end
        if words == "" then words = thread:get("first_other") end
        for host, version in ipairs(thread:get("had")) do rows[(host - 1) * count + index] = version end
    end
    local file = assert(io.open(path .. ".had", "w"))
    for _, version in ipairs(rows) do file:write(version, "\n") end
    file:close()
    local errors = summary.errors
    print(string.format(
        "FIGURES seconds=%f good=%d nochg=%d other=%d changed=%d errors=%d p50_us=%d p99_us=%d max_us=%d first_other=%s",
        summary.duration / 1e6, sums.good, sums.nochg, sums.other, sums.changed,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99), latency.max, words))
end

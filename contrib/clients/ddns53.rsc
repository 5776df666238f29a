# SPDX-License-Identifier: GPL-3.0-or-later
#
# A RouterOS (6 or 7) script that tells a ddns53 server the addresses of an interface when they have changed, and its
# entry in the scheduler.
#
# 1. Change the settings below. The host needs "auth: [secret]" in the server's hosts.yaml, or "auth: [basic]" for the
#    scheme "basic". Take a secret of letters and digits ("openssl rand -hex 20"): RouterOS does not escape others in a
#    URL.
# 2. Let the router trust the server's certificate: upload the authority's certificate (for Let's Encrypt that is
#    isrgrootx1.pem), then "/certificate import file-name=isrgrootx1.pem passphrase=\"\"".
# 3. Upload this file, then "/import file-name=ddns53.rsc". A second import replaces the first.
# 4. "/system script run ddns53" and "/log print where message~\"ddns53\"".
#
# Written after MikroTik's manual. There is no RouterOS among the programs that ddns53 is tested with: the tests take
# the requests out of this text and send them to a server; nothing of it is executed.

/system script
remove [find where name="ddns53"]
add name="ddns53" comment="tells ddns53 the addresses of this router" policy=read,write,policy,test,ftp source={
# ---- settings ----
:local ddnsServer "https://ddns.example.com"
:local ddnsHost "home.example.com"
:local ddnsSecret "SECRET"
# "secret", or "basic", which keeps the secret out of the URL.
:local ddnsScheme "secret"
# The interface that has the public IPv4 address, and the one that has the IPv6 address; "" leaves a family alone.
:local ddnsInterface "ether1"
:local ddnsInterface6 ""
# "no" accepts any certificate, and with it anybody who is in between.
:local ddnsCheck "yes"
# Though nothing has changed, they are sent again after this time.
:local ddnsAgain 1d
# After a failure, it is tried again after this time. Much less, and a wrong secret gets the router locked out.
:local ddnsPause 10m
# ---- end of settings ----

# What survives from one run to the next, until the router starts anew.
:global ddns53Sent
:global ddns53SentAt
:global ddns53PauseUntil

:local now [/system resource get uptime]
:local address4 ""
:if ([:len $ddnsInterface] > 0) do={
    :foreach row in=[/ip address find where interface=$ddnsInterface disabled=no invalid=no] do={
        :local withPrefix [/ip address get $row address]
        :set address4 [:pick $withPrefix 0 [:find $withPrefix "/"]]
    }
}
# Where there is no IPv6 package, this is no valid script, so it is parsed only when it is wanted.
:local address6 ""
:if ([:len $ddnsInterface6] > 0) do={
    :do {
        :local find6 [:parse ":local text \"\"; :foreach row in=[/ipv6 address find where interface=\"$ddnsInterface6\" global=yes disabled=no invalid=no] do={ :set text [:tostr [/ipv6 address get \$row address]] }; :return \$text"]
        :local withPrefix [$find6]
        :if ([:len $withPrefix] > 0) do={
            :set address6 [:pick $withPrefix 0 [:find $withPrefix "/"]]
        }
    } on-error={
        :log warning "ddns53: no IPv6 address can be read from $ddnsInterface6; enable the ipv6 package, or leave the setting empty"
    }
}

:local wanted "$address4 $address6"
:local due true
:if (($ddns53Sent = $wanted) && ([:typeof $ddns53SentAt] = "time")) do={
    :if (($now - $ddns53SentAt) < $ddnsAgain) do={ :set due false }
}
:if ([:typeof $ddns53PauseUntil] = "time") do={
    :if ($now < $ddns53PauseUntil) do={ :set due false }
}
:if (([:len $address4] = 0) && ([:len $address6] = 0)) do={ :set due false }

:if ($due) do={
    # fetch can hand over the answer from 6.43 on; before that, its status has to do.
    :local version [:tostr [/system resource get version]]
    :local asValue true
    :if ([:pick $version 0 2] = "6.") do={
        :local minor [:tonum [:pick $version 2 4]]
        :if ([:typeof $minor] != "num") do={ :set minor 0 }
        :if ($minor < 43) do={ :set asValue false }
    }
    :local failed false
    :foreach address in={$address4; $address6} do={
        :if ([:len $address] > 0) do={
            :local target ""
            :local login ""
            :if ($ddnsScheme = "basic") do={
                :set target "/nic/update\3Fhostname=$ddnsHost&myip=$address"
                :set login "user=\"$ddnsHost\" password=\"$ddnsSecret\""
            } else={
                :set target "/\3Fhostname=$ddnsHost&newip=$address&secret=$ddnsSecret"
            }
            :local command "/tool fetch url=\"$ddnsServer$target\" $login check-certificate=$ddnsCheck"
            :do {
                :if ($asValue) do={
                    :local run [:parse ":return [$command output=user as-value]"]
                    :local result [$run]
                    :local data ($result->"data")
                    :if (!($data~"^(OK|good|nochg)")) do={ :error "unexpected answer" }
                } else={
                    :local run [:parse "$command keep-result=no"]
                    $run
                }
                :log info "ddns53: $ddnsHost is $address"
            } on-error={
                :set failed true
                :log warning "ddns53: $ddnsHost could not be set to $address; the server's log tells why"
            }
        }
    }
    :if ($failed) do={
        :set ddns53PauseUntil ($now + $ddnsPause)
    } else={
        :set ddns53Sent $wanted
        :set ddns53SentAt $now
    }
}
}

/system scheduler
remove [find where name="ddns53"]
add name="ddns53" start-time=startup interval=2m on-event="/system script run ddns53" \
    policy=read,write,policy,test,ftp comment="tells ddns53 the addresses of this router"

#!/usr/bin/env bash
# systemd-analyze: calendars, time spans, unit files verified, security rated without a running manager.
. "$(dirname "$0")/lib.sh" "$@"
need systemd-analyze
export SYSTEMD_PAGER='' SYSTEMD_COLORS=0 TZ=UTC
n=$(pick 200 5000)
same_as_system 1000 systemd-analyze calendar --base-time='2024-01-01 00:00:00' --iterations="$n" 'Mon,Wed..Fri *-*-1..20 10:00/7:30' |
    cat
expect "iterations" "$(grep -cE '^ *(Iter\.|Next elapse:|Iteration #)' out.library)" "$n"
same_as_system 100 systemd-analyze timespan '1y 3months 2days 5h 20min 7s 3ms'
same_as_system 1000 systemd-analyze syscall-filter
same_as_system 500 systemd-analyze exit-status
units=()
for ((i = 0; i < $(pick 20 300); i++)); do
    printf '[Unit]\nDescription=unit %d\n[Service]\nExecStart=/bin/true %d\nPrivateTmp=yes\nSystemCallFilter=@system-service\n' "$i" "$i" >"unit$i.service"
    units+=("./unit$i.service")
done
same_as_system 1000 systemd-analyze security --offline=yes --no-pager "${units[@]}"
proved systemd-analyze verify --man=no --generators=no "${units[@]}" >verified 2>&1 || fail "verify ended with status $?: $(tail -3 verified)"
printf '[Service]\nExecStart=/no/such/program\nNoSuchOption=1\n' >bad.service
on systemd-analyze verify --man=no --generators=no ./bad.service >bad 2>&1 && fail "a bad unit was found good"
grep -q 'NoSuchOption' bad || fail "the unknown option was not named: $(cat bad)"
say "$n calendar steps, ${#units[@]} units verified and rated"

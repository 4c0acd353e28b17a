#!/usr/bin/env bash
# tmux: a server with several windows and panes, keys sent, screens captured, long history, everything closed again.
. "$(dirname "$0")/lib.sh" "$@"
need tmux
# The name of a socket may be no longer than 107 bytes, so it is given relative to the working directory.
tm() { on env -u TMUX TERM=screen LC_ALL=C.UTF-8 tmux -S socket -f /dev/null "$@"; }
lines=$(pick 20000 300000)
proved env -u TMUX TERM=screen LC_ALL=C.UTF-8 tmux -S socket -f /dev/null new-session -d -s work -x 120 -y 40 'PS1=ready\> exec bash --norc' ||
    fail "tmux ended with status $?"
trap 'tm kill-server || true; finish' EXIT
tm set-option -g history-limit 100000
tm set-option -g default-command 'PS1=ready\> exec bash --norc'
server=$(tm display-message -p '#{pid}')
prove_mapped "$server"
screen_has() { tm capture-pane -p -t "$1" | grep -q "$2"; }
for ((i = 1; i <= $(pick 6 40); i++)); do
    tm new-window -t work -n "w$i"
    wait_for 10 screen_has "w$i" 'ready>'
    tm split-window -h -t "w$i"
    tm send-keys -t "w$i.0" "echo answer-\$((6 * 7))-$i" Enter
    wait_for 10 screen_has "w$i.0" "^answer-42-$i"
    tm split-window -v -t "w$i"
    tm select-layout -t "w$i" tiled
    tm resize-window -t "w$i" -x $((60 + i * 5)) -y 30
done
tm send-keys -t work:w1.0 "clear; seq 1 $lines; echo done-\$((lines + 1))" Enter
wait_for 60 screen_has work:w1.0 '^done-1'
tm capture-pane -p -S - -t work:w1.0 >history
expect "last number in the history" "$(grep -x "[0-9]*" history | tail -1)" "$lines"
tm clear-history -t work:w1.0
tm set-buffer "$(seq 1 2000 | tr '\n' ' ')"
expect "buffer" "$(tm show-buffer | wc -w)" 2000
tm paste-buffer -d -t work:w2.0
for ((i = 1; i <= $(pick 6 40); i++)); do tm kill-window -t "w$i"; done
expect "windows left" "$(tm list-windows | wc -l)" 1
tm kill-server
trap finish EXIT
wait_for 5 test ! -d "/proc/$server"
say "$(pick 6 40) windows of three panes, $lines lines of history"

# Work for bash: N elements through arrays, tables, strings, expansions and child processes. Prints what it found.
n=$1
declare -a list
declare -A table
text=
for ((i = 1; i <= n; i++)); do
    list[i]=$i
    table["key$((i % 997))"]+="$i,"
    text+="word$i "
done
sum=0
for i in "${list[@]}"; do ((sum += i)); done
echo "sum $sum"
echo "keys ${#table[@]}, text ${#text}, replaced $(printf '%s' "${text//word/w}" | md5sum)"
for key in $(printf '%s\n' "${!table[@]}" | LC_ALL=C sort | head -50); do
    IFS=, read -ra parts <<<"${table[$key]}"
    echo "$key ${#parts[@]} ${parts[-1]}"
done | md5sum
list=("${list[@]/#/x}")
unset 'table[key5]'
echo "after: ${#list[@]} ${list[-1]} ${#table[@]}"
forks=$((n / 50))
found=0
for ((i = 0; i < forks; i++)); do
    value=$(echo "$((i * 3))" | while read -r line; do echo "<$line>"; done)
    [[ $value =~ ^\<([0-9]+)\>$ ]] && ((BASH_REMATCH[1] == i * 3 && ++found))
done
echo "forks $found"
recurse() { if (($1 > 0)); then local a=("$@" "$1"); recurse $(($1 - 1)) "${a[@]:0:20}"; else echo "depth reached with $#"; fi; }
recurse 400
coproc tr a-z A-Z
echo "to the coprocess and back" >&"${COPROC[1]}"
exec {COPROC[1]}>&-
read -r line <&"${COPROC[0]}"
echo "$line"
printf '%s\n' "${list[@]:0:1000}" | md5sum

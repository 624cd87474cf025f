### plain words
echo a b   c
### single and double quotes
echo 'a $x "b"' "c 'd' $((1+1))"
### adjacent quotes join
echo a'b'"c"d
### escaped characters
echo \"x\" a\ b \$y 'it'\''s'
### ansi quotes
printf '%s|' $'a\tb\nc' $'\'q\'' $'\x41'; echo
### dollar alone
echo "cost $ 5" $ "$"
### variable
x=1; echo $x "${x}2" $x$x
### space between expansions in quotes
a=1; b=2; echo "$a $b  ${a} ${b}" "${a}   ${b}"
### empty variable vanishes unquoted
x=; set -- $x "$x" a; echo $#
### splitting
x="a  b c"; for i in $x; do echo "<$i>"; done
### splitting joins neighbours
x="a b"; printf '<%s>' 1$x"2"; echo
### splitting with leading space
x=" a "; printf '<%s>' p${x}q; echo
### IFS colon
IFS=:; x=a:b::c:; printf '<%s>' $x; echo
### IFS empty
IFS=; x="a b"; printf '<%s>' $x; echo
### default value
unset x; y=; echo "${x:-d}" "${x-d}" "${y:-d}" "${y-d}" ${x:-a b}
### default value nested
unset x; z=q; echo "${x:-$z-${z}}" "${x:-"a  b"}"
### quoted default keeps spaces
unset x; printf '<%s>' "${x:-a  b}" ${x:-"c  d"}; echo
### alternative value
x=1; unset y; echo "<${x:+yes}>" "<${y:+yes}>"
### assign default
unset x; : "${x:=v}"; echo $x
### error if unset
( : "${nothere:?is missing}" ) 2>/dev/null; echo $?
### length
x=hello; a=(1 2 3); echo ${#x} ${#a[@]} ${#a[0]}
### suffix removal
x=a.tar.gz; echo ${x%.*} ${x%%.*} ${x%.gz}
### prefix removal
x=/usr/local/bin; echo ${x#*/} ${x##*/} ${x#/usr}
### removal with quoted pattern
x='a*b*c'; echo "${x%'*'*}" "${x%"*c"}"
### removal by variable pattern
x=foobar; p=bar; q='b*'; echo ${x%$p} ${x%$q} ${x%"$q"}
### replacement
x=aXbXc; echo ${x/X/-} ${x//X/-} ${x//X} ${x/#a/Z} ${x/%c/Z}
### replacement of backslashes and quotes
t='a\b"c'; t="${t//\\/\\\\}"; t="${t//\"/\\\"}"; printf '%s\n' "$t"
### replacement of line ends
t=$'a\nb'; printf '%s\n' "${t//$'\n'/\\n}"
### replacement with class
t=$'a\001b'; echo "${t//[[:cntrl:]]/ }" "${t//[a-z]/x}" | tr '\001' '?'
### substring
x=abcdef; echo ${x:1} ${x:1:2} ${x: -2} ${x:0:-1}
### case
x=aBc; echo ${x^^} ${x,,} ${x^}
### positional parameters
set -- a "b c" d; echo $1 "$2" $# "$@"; printf '<%s>' "$@"; printf '<%s>' "$*"; echo
### unquoted at
set -- a "b c"; printf '<%s>' $@ $*; echo
### at in a word
set -- 1 2; printf '<%s>' "x$@y"; echo
### no arguments no field
set --; printf '<%s>' "$@" end; echo
### shift
set -- a b c; shift; echo $1 $#; shift 2; echo $#; shift; echo $?
### slices
set -- a b c d; echo "${@:2}" "${@:2:2}"; a=(x y z); echo "${a[@]:1}"
### ten arguments
set -- a b c d e f g h i j; echo ${10} $10
### arrays
a=(x "y z"); a+=(w); echo "${a[1]}" ${#a[@]}; printf '<%s>' "${a[@]}"; echo "${a[-1]}"
### array from words
l="1 2 3"; a=($l "4 5"); echo ${#a[@]} "${a[3]}"
### empty array with nounset
set -u; a=(); for x in "${a[@]}"; do echo no; done; echo ${#a[@]}
### sparse array
a=([3]=c [1]=a); a+=(d); echo "${!a[@]}" "${a[@]}"
### keyed array
declare -A m; m[a]=1; m["b c"]=2; k='b c'; echo "${m[a]}" "${m[$k]}" ${#m[@]}; unset 'm[a]'; echo ${#m[@]}
### keyed array literal
declare -A m=([x]=1 [y]="2 3"); echo "${m[y]}" "${m[x]}"; for k in x y; do echo "${m[$k]}"; done
### key missing
declare -A m=([x]=1); echo "${m[z]:-none}"; [[ -v m[x] ]] && echo set; [[ -v m[q] ]] || echo unset
### array element append
a=(1); a[0]+=2; x=a; x+=b; echo ${a[0]} $x
### all elements joined
a=(1 2 3); IFS=,; echo "${a[*]}"
### indirect
x=y; y=3; echo ${!x}
### arithmetic
echo $((1 + 2 * 3)) $(( (1+2)*3 )) $((7/2)) $((-7/2)) $((7%3)) $((-7%3)) $((2**10))
### arithmetic with variables
x=5; echo $((x+1)) $(($x+1)) $((x*=2)) $x $((x++)) $x $((++x))
### arithmetic comparison
echo $((1<2)) $((1==2)) $((1&&0)) $((1||0)) $((!3)) $((5>3?10:20))
### arithmetic hex octal
echo $((0x1f)) $((010)) $((1<<4)) $((6&3)) $((6|1)) $((6^2)) $((~0))
### arithmetic command
x=3; (( x > 2 )) && echo yes; (( x == 0 )); echo $?; (( x++ )); echo $x
### arithmetic by zero
echo $((1/0)); echo not reached
### arithmetic with arrays
a=(4 5); echo $((a[1]+1)) $(( ${#a[@]} - 1 ))
### command substitution
echo $(echo a b) "$(printf 'x\n\n\n')" end
### nested substitution
echo "$(echo "$(echo "in  ner")")"
### substitution strips last line ends only
x=$(printf '\na\n\nb\n\n'); printf '<%s>\n' "$x"
### substitution status
x=$(exit 3); echo $?; y=$(false) || echo failed
### substitution with here-document
x=$(cat <<EOF
it's $HOME_X one
two
EOF
); echo "$x"
### substitution with parentheses in quotes
echo $(echo ")" '(' "a)b")
### file substitution
printf 'content\n' > f; x=$(<f); echo "$x"
### subshell changes nothing
x=1; (x=2; cd /; echo $x); echo $x
### group changes
x=1; { x=2; }; echo $x
### pipeline
printf 'b\na\n' | sort | head -n 1
### pipeline in subshells
x=1; echo a | x=2; echo $x; echo a | { read -r y; echo "$y"; }
### pipeline status
false | true; echo $?; true | false; echo $?; echo "${PIPESTATUS[@]}"
### pipestatus
false | true | (exit 3); echo "${PIPESTATUS[@]}"
### pipefail
set -o pipefail; false | true; echo $?; (exit 3) | (exit 4) | true; echo $?
### negated pipeline
! false; echo $?; ! true | false; echo $?; ! true; echo $?
### and or
true && echo a || echo b; false && echo a || echo b; false || true && echo c
### and or chain status
false && true; echo $?; true || false; echo $?
### if else
if false; then echo 1; elif true; then echo 2; else echo 3; fi; if false; then echo x; fi; echo $?
### if with pipeline
if echo abc | grep -q b; then echo yes; fi; if ! echo abc | grep -q z; then echo no; fi
### while
i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done
### until
i=0; until [ $i -ge 2 ]; do i=$((i+1)); done; echo $i
### loop status
while false; do :; done; echo $?; for i in 1; do false; done; echo $?
### break and continue
for i in 1 2 3 4; do if [ $i = 2 ]; then continue; fi; if [ $i = 4 ]; then break; fi; echo $i; done
### break two levels
for i in 1 2; do for j in a b; do echo $i$j; break 2; done; done; echo end
### continue two levels
for i in 1 2; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done
### for over arguments
set -- x y; for i; do echo $i; done; for i in "$@"; do echo "$i"; done
### counting for
for ((i=0; i<3; i++)); do echo $i; done
### while read
printf 'a b\nc d e\n' > f; while read -r x y; do echo "$x|$y"; done < f
### while read last line without end
printf 'a\nb' | while read -r x || [ -n "$x" ]; do echo "<$x>"; done
### while read keeps variables
n=0; while read -r x; do n=$((n+1)); done < <(printf '1\n2\n'); echo $n
### while read from string
while IFS= read -r l; do echo "[$l]"; done <<< $'  a\nb  '
### read IFS
IFS='|' read -r a b c <<< 'x|y y|z|w'; echo "$a,$b,$c"; IFS='=' read -r k v <<< 'K=a=b'; echo "$k,$v"
### read empty fields
IFS='|' read -r a b c <<< 'x||z'; echo "$a,$b,$c"; IFS='|' read -r a b c <<< '|y'; echo "$a,$b,$c"
### read blanks
read -r a b <<< '  x   y  z  '; echo "<$a><$b>"
### read trailing separator
IFS='|' read -r a b <<< 'x|y|'; echo "$a,$b"; IFS='|' read -r a b <<< 'x|y||'; echo "$a,$b"
### read status
read -r x < /dev/null; echo $?; printf 'q' | { read -r x; echo "$? $x"; }
### read into array
IFS=, read -r -a a <<< 'x,y z,w'; echo ${#a[@]} "${a[1]}"
### read underscore
read -r _ b _ <<< '1 2 3 4'; echo $b
### read delimiter
printf 'a b\0c\0' | while IFS= read -r -d '' x; do echo "<$x>"; done
### mapfile
mapfile -t a < <(printf 'x\ny z\n'); echo ${#a[@]} "${a[1]}"; printf 'p\nq\n' > f; readarray -t b < f; echo "${b[0]}"
### case
for x in abc a.txt 7 "" foo; do case "$x" in a*c) echo 1;; *.txt|*.md) echo 2;; [0-9]) echo 3;; '') echo 4;; *) echo 5;; esac; done
### case with quoted pattern
x='*'; case "$x" in '*') echo star;; *) echo other;; esac; p='a*'; case abc in "$p") echo q;; $p) echo u;; esac
### case status
case x in y) false;; esac; echo $?; case x in x) false;; esac; echo $?
### case multi line
case "linux" in
    windows | win)
        echo w
        ;;
    linux)
        echo l
        echo m
        ;;
esac
### function
f() { echo "$1 $#"; return 4; }; f a b; echo $?
### function positional restored
f() { set -- x; echo $1; }; set -- a b; f; echo $1 $#
### function local
x=1; f() { local x=2 y; y=3; z=4; echo $x; }; f; echo $x ${y:-unset} $z
### local dynamic scope
f() { local x=in; g; }; g() { echo $x; x=changed; }; x=out; f; echo $x
### local from same name
x=5; f() { local x="$x"; echo $x; }; f
### local hides status
f() { local x=$(false); echo $?; local y; y=$(false); echo $?; }; f
### local array
f() { local -a a=(1 2); a+=(3); echo ${#a[@]}; }; a=(9); f; echo ${a[@]}
### local keyed
f() { local -A m=([k]=v); echo ${m[k]}; }; f
### recursion
f() { local n=$1; if [ $n -le 1 ]; then echo 1; else echo $(( n * $(f $((n-1))) )); fi; }; f 5
### function output redirected
f() { echo out; echo err >&2; }; f > o 2> e; cat e o
### function with redirect
f() { echo hidden; } > file; f; cat file
### function in pipeline
f() { while read -r x; do echo "got $x"; done; }; echo a | f
### function return without value
f() { false; return; }; f; echo $?
### function overrides program
cat() { echo mine; }; cat; command cat /dev/null; echo $?
### keyword function
function g { echo g; }; g
### redirect out and append
echo a > f; echo b >> f; cat f; echo c > f; cat f
### redirect both
{ echo o; echo e >&2; } > f 2>&1; cat f; { echo o; echo e >&2; } &> g; cat g
### redirect order
{ echo o; echo e >&2; } 2>&1 > f | cat; cat f
### redirect to missing folder
echo a > no/such/f; echo $?; echo b
### redirect from missing file
cat < missing; echo $?
### redirect in list
true && echo a > f; cat f; false || echo b >> f; cat f
### redirect pipeline
echo a | cat > f; cat f
### descriptor three
exec 3> f; echo x >&3; exec 3>&-; cat f
### saved stdout
exec 3>&1; exec > f; echo hidden; exec 1>&3; echo shown; cat f
### stderr to stdout in substitution
x=$(echo e 2>&1 >/dev/null); y=$( { echo e >&2; } 2>&1 ); echo "<$x><$y>"
### closed descriptor
echo a >&7; echo $?
### dev null
echo a > /dev/null; cat < /dev/null; echo $?
### here-document
x=1; cat <<EOF
a $x $(echo s) \$x "q" 'r' $((1+1))
  indented ${x:-n}
EOF
### here-document literal
cat <<'EOF'
$x `y` \n "z"
EOF
### here-document with tabs
cat <<-EOF
	one
		two
	EOF
### here-document into file
cat > f <<EOF
k = v
EOF
cat f
### here-document then pipe
cat <<EOF | sort
b
a
EOF
### here-document then or
grep -q zzz <<EOF || echo none
abc
EOF
### here-document in function
f() {
    cat <<EOF
<$1>
EOF
}
f a; f b
### here-document in if
if grep -q b <<EOF
abc
EOF
then echo yes; fi
### here-document in a loop
for i in 1 2; do
    cat >> f <<EOF
line $i
EOF
done
cat f
### here-document backslash line end
cat <<EOF
a \
b
EOF
### here-string
cat <<< "a  b"; x="c d"; cat <<< $x; grep -c a <<< "a"
### two here-strings in a pipe
tr a b <<< aaa | tr b c
### double brackets
x=abc; [[ $x == a* ]] && echo 1; [[ $x == "a*" ]] || echo 2; [[ $x != b* ]] && echo 3; [[ -z $y && -n $x ]] && echo 4
### double brackets groups
[[ ( a == b || a == a ) && ! ( x == y ) ]] && echo ok; [[ ! a == a ]] || echo no
### double brackets numbers
[[ 10 -gt 9 ]] && echo 1; [[ 10 > 9 ]] || echo 2; x=3; [[ x -eq 3 ]] && echo 3
### double brackets regex
[[ v1.36.4 =~ ^v([0-9]+)\.([0-9]+)\.([0-9]+)$ ]] && echo "${BASH_REMATCH[0]} ${BASH_REMATCH[2]} ${#BASH_REMATCH[@]}"
### regex with class and quoted
x=ab12; [[ $x =~ [[:digit:]]+ ]] && echo ${BASH_REMATCH[0]}; [[ a.b =~ a"."b ]] && echo 1; [[ axb =~ a"."b ]] || echo 2
### regex in variable
r='^a+$'; [[ aaa =~ $r ]] && echo y; [[ b =~ $r ]]; echo $?
### double brackets files
echo x > f; mkdir d; [[ -f f && -d d && ! -e g && -s f ]] && echo ok; : > e; [[ -s e ]] || echo empty
### single brackets
[ a = a ] && echo 1; [ a != b ] && echo 2; [ -n "" ] || echo 3; [ -z "" ] && echo 4; [ "" ] || echo 5; [ x ] && echo 6
### single brackets numbers
[ 1 -lt 2 ] && echo a; [ 2 -le 2 ] && echo b; [ 3 -ne 3 ] || echo c; [ 5 -ge 6 ] || echo d
### single brackets negated
[ ! -e nofile ] && echo a; [ ! a = b ] && echo b; ! [ a = b ] && echo c
### bad test
[ a -eq 1 ]; echo $?
### test builtin
test -d /trial || test a = a; echo $?; test; echo $?
### links
echo x > f; ln -s f l; [ -L l ] && echo link; [ -f l ] && echo file; readlink l; ln -s nowhere b; [ -e b ] || echo broken
### glob
touch b.txt a.txt c.md; echo *.txt; echo *; echo [ab].txt; echo ?.md; echo *.none; echo "*.txt"
### glob in folders
mkdir -p d/x d/y; touch d/x/1 d/y/2; echo d/*/*; for f in d/*; do echo "$f"; done
### glob hidden
touch .h v; echo *; echo .h*
### glob from variable
touch a1 a2; p='a*'; echo $p "$p"; n=a; echo "$n"*
### nullglob
shopt -s nullglob; for f in *.none; do echo no; done; a=(*.x); echo ${#a[@]}
### noglob
touch a; set -f; echo *; set +f; echo *
### no glob in assignment
touch a b; x=*; echo "$x"; case '*' in "$x") echo same;; esac
### errexit
set -e; echo a; false; echo b
### errexit exit code
set -e; (exit 7); echo b
### errexit in condition
set -e; if false; then :; fi; false || true; ! true; while false; do :; done; echo alive
### errexit and list
set -e; false && true; echo alive; true && false; echo dead
### errexit in function
set -e; f() { false; echo in f; }; f || echo caught; f; echo dead
### errexit in function of condition
set -e; f() { false; echo still; }; if f; then echo yes; fi
### errexit function last list
set -e; f() { false && true; }; f; echo dead
### errexit group last list
set -e; { false && true; }; echo alive
### errexit subshell last list
set -e; (false && true); echo dead
### errexit if body last list
set -e; if true; then false && true; fi; echo alive
### errexit in pipeline
set -e; false | true; echo alive; true | false; echo dead
### errexit pipefail
set -eo pipefail; false | true; echo dead
### errexit in pipeline parts
set -e; { false; echo a; } | cat; echo b
### errexit in substitution
set -e; x=$(false; echo in); echo "<$x>"; y=$(false); echo dead
### errexit inherited
set -e; shopt -s inherit_errexit; echo "$(false; echo in)"; x=$(false; echo in); echo dead
### errexit substitution in argument
set -e; echo "a$(false)b"; echo alive
### errexit local substitution
set -e; f() { local x=$(false); echo alive; }; f
### errexit in subshell
set -e; ( false; echo dead ) || echo caught; ( false; echo dead ); echo dead
### errexit in for
set -e; for i in 1 2; do [ $i = 1 ] || false; echo $i; done; echo dead
### errexit double brackets
set -e; [[ a == b ]]; echo dead
### errexit arithmetic
set -e; i=0; ((i++)) || true; echo $i; ((i=0)); echo dead
### errexit case
set -e; case a in a) false;; esac; echo dead
### errexit test in loop condition
set -e; i=0; while [ $i -lt 2 ]; do i=$((i+1)); done; echo $i
### errexit redirect failure
set -e; echo a > no/f; echo dead
### errexit negated
set -e; ! true; echo alive; ! false; echo alive
### errexit unknown command
set -e; nosuchprogram; echo dead
### errexit off again
set -e; set +e; false; echo alive
### nounset
set -u; echo "${x:-ok}" "${x-ok}" ${x:+no}; echo $x; echo dead
### nounset braces
set -u; echo "${nope}"; echo dead
### nounset in substitution
set -u; y=$(echo $x; echo in); echo "$? <$y>"
### nounset positional
set -u; echo "${1:-none}" "$@" $#; echo $1; echo dead
### nounset array element
set -u; a=(1); echo ${a[0]} ${a[1]:-none}; echo ${a[1]}; echo dead
### nounset function
set -u; f() { echo "$1"; }; f a; f; echo dead
### strict mode whole
set -euo pipefail; x=$(printf 'a\nb\n' | tail -n 1); echo $x; [ -n "$x" ] && echo set; echo done
### trap exit
trap 'echo bye' EXIT; echo hi
### trap exit keeps code
trap 'echo bye $?' EXIT; exit 3
### trap exit changes code
trap 'exit 5' EXIT; exit 3
### trap exit with errexit
set -e; trap 'echo cleanup $?; rm -f f' EXIT; touch f; false; echo dead
### trap exit in subshell
trap 'echo outer' EXIT; (trap 'echo inner' EXIT; echo body); echo after
### trap removed
trap 'echo bye' EXIT; trap - EXIT; echo hi
### trap sees variables
f=x; trap 'echo "$f"' EXIT; f=y
### exit codes
(exit 300); echo $?; f() { exit 4; }; (f); echo $?; exit 9
### exit in substitution
x=$(echo a; exit 6; echo b); echo "$? $x"
### exit in pipeline
exit 3 | cat; echo alive $?
### command not found
nosuchprogram a b; echo $?; ./nosuch; echo $?
### command -v
command -v echo; command -v nosuchthing; echo $?; f() { :; }; command -v f; type -t f; type -t echo; type -t cat
### background and wait
{ echo bg; exit 4; } > f & p=$!; wait $p; echo $?; cat f
### wait for all
true & false & wait; echo $?
### background status
false & echo $?; wait $!; echo $?
### environment for a command
X=1; f() { echo "${X:-none}"; }; X=2 f; echo $X
### assignment before builtin
IFS=, read -r a b <<< 'x,y'; echo "$a $b <$IFS>" | tr '\t\n' 'tn'; echo
### export
export A=1 B; B=2; readonly C=3; echo $A $B $C
### readonly
readonly x=1; x=2; echo dead
### unset
x=1; unset x; echo "${x:-gone}"; f() { :; }; unset -f f; type -t f; echo $?
### declare in function is local
f() { declare x=1; }; f; echo "${x:-gone}"; g() { declare -g y=2; }; g; echo $y
### printf
printf '%s-%s\n' a b c; printf '%d %5d|%-5s|%05d\n' 42 42 ab 42; printf '%%\n'; printf 'no args\n'; printf '%s\n'
### printf escapes
printf 'a\tb\n'; printf '%b\n' 'x\ty'; printf '%s\n' 'x\ty'; printf '\x41\101\n'
### printf to variable
printf -v x '%03d' 7; echo $x
### printf quoting
printf '%q ' a 'b c' "it's" '' '$x' a=b; echo
### printf hex
printf '%x %o %X\n' 255 8 255; printf '%c\n' abc; printf '%.2s|%5s|%-5s|\n' abc de fg
### echo options
echo -n a; echo b; echo -e 'x\ty'; echo -- c; echo "-n"; echo -E 'x\ty'
### cd and pwd
mkdir -p d/e; cd d; pwd | sed 's/.*\/d$/ends in d/'; cd e && cd .. && cd ..; ls; cd nowhere; echo $?
### cd in subshell
mkdir d; (cd d && touch in); ls d; ls
### source
printf 'x=5\nf() { echo "f $1"; }\necho "args $#"\n' > lib; . ./lib; source ./lib a b; echo $x; f z
### source return
printf 'echo a\nreturn 3\necho b\n' > lib; . ./lib; echo $?
### set positional from list
l='a b c'; set -- $l; echo $2 $#; set -- -x y; echo $1
### special parameters
echo $? $# "$-" | sed 's/[^0-9 ].*//'; f() { return 2; }; f; echo $?
### seconds
SECONDS=0; [ $SECONDS -lt 5 ] && echo ok; [ "$EPOCHSECONDS" -gt 1600000000 ] && echo ok
### comments
echo a # comment
# whole line 'quote
echo b#c '# not' # end
### line continuation
echo a \
  b \
  c && \
  echo d
### semicolons and newlines
echo a; echo b
if true
then
  echo c
fi; echo d
### tilde
HOME=/h; echo ~ ~/x "~" a~
### compound in pipeline
for i in 2 1; do echo $i; done | sort; if true; then echo y; fi | cat; { echo b; echo a; } | sort
### nested functions and loops
f() { for i in "$@"; do case $i in a) continue;; b) return 3;; *) echo $i;; esac; done; }; f a x b c; echo $?
### loop reads rest of input
printf '1\n2\n3\n' | { read -r a; echo "first $a"; cat; }
### loop body reads stdin
printf '1\n2\n3\n' | while read -r x; do echo "x$x"; head -n 1 > /dev/null; done
### grep codes
printf 'a\nb\n' > f; grep a f; echo $?; grep z f; echo $?; grep a nofile; echo $?; grep -q b f && echo y; grep -c . f; grep -v a f
### grep words
printf 'foo bar\nfoobar\n1.2\n' > f; grep -w foo f; grep -x foobar f; grep -F 1.2 f; grep -E 'fo+ |^1' f; grep 'o\{2\} ' f; grep -o 'b.r' f
### grep several files
echo a > f; echo a > g; grep a f g; grep -h a f g; grep -l a f g; grep -c a f g; grep -qs a nofile; echo $?
### sed
printf 'a=1\nb=2\n' | sed 's/=/ /'; echo aaa | sed 's/a/b/g'; printf 'x\ny\n' | sed '/x/d'; printf 'x\ny\n' | sed -n '/y/p'; echo 'k "v"' | sed -E 's/.*"([^"]+)"/\1/'
### sed in place
printf 'a /swap b\nc\n' > f; sed -i 's|^\(.*/swap.*\)$|# \1|' f; cat f
### cut and tr
echo a:b:c | cut -d: -f2; echo a:b:c | cut -d : -f 1,3; echo abc | cut -c 1-2; echo abc | tr a-c A-C; echo aabb | tr -d a; echo "a  b" | tr -s ' '
### head and tail
printf '1\n2\n3\n4\n' > f; head -n 2 f; tail -n 1 f; tail -n +3 f; head -c 3 f; tail -c +7 f; tail -c 2 f; head -n -1 f
### wc and sort
printf 'b\na\nb\n' > f; wc -l < f; wc -c < f; sort -u f; sort f | uniq; printf '10\n9\n' | sort -n; sort -r f
### sha256sum
printf x > f; sha256sum f; sha256sum f > s; sha256sum -c s; printf y > f; sha256sum -c s; echo $?; sha256sum --status -c s; echo $?
### sha256sum stdin
printf x | sha256sum | cut -d ' ' -f 1; sha256sum nofile; echo $?
### mkdir and rm
mkdir a; mkdir a; echo $?; mkdir -p a/b/c; rm a; echo $?; rm -r a; ls; rm nofile; echo $?; rm -f nofile; echo $?; mkdir x/y; echo $?
### mv and cp
echo 1 > a; cp a b; mv b c; cat c; mkdir d; mv c d; cat d/c; cp -r d e; cat e/c; cp nofile x; echo $?; mv nofile x; echo $?; cp d f; echo $?
### install
echo x > a; install -m 0755 a b; stat -c %a b; install -d -m 700 d; stat -c %a d; install -D -m 644 a p/q/r; cat p/q/r; install a nodir/x; echo $?
### stat
printf abc > f; chmod 640 f; stat -c '%s %a %n' f; stat -c %F f; mkdir d; stat -c '%F %n' d; stat -c %s nofile f; echo $?
### chmod
touch f; chmod 600 f; stat -c %a f; chmod +x f; stat -c %a f; chmod u+x,g+x f 2>/dev/null; chmod 0755 f; stat -c %a f; chmod 600 nofile; echo $?
### ln
echo x > a; ln -s a b; cat b; ln -s a b; echo $?; ln -sf c b; readlink b; ln -sfn d b; readlink b; readlink a; echo $?
### basename and dirname
basename /a/b.sh; basename /a/b.sh .sh; dirname /a/b; dirname a; dirname /a
### tee
echo a | tee f > /dev/null; echo b | tee -a f; cat f; echo x | tee g h | tr x y; cat g h
### seq and base64
seq 3; seq 2 4; echo hello | base64; echo aGVsbG8K | base64 -d; printf 'hybrid: join' | base64 -w 0; echo
### mktemp
f=$(mktemp); [ -f "$f" ] && stat -c %a "$f"; d=$(mktemp -d); [ -d "$d" ] && stat -c %a "$d"; rm -r "$f" "$d"; t=$(mktemp f.XXXXXX); echo "${t%.*}" ${#t}; rm "$t"
### touch times
touch -d @1000000000 f; stat -c %Y f; touch -d @1000000001 g; [ g -nt f ] && echo newer; [ f -ot g ] && echo older
### date
date -u -d @0 +%Y-%m-%dT%H:%M:%SZ; [ "$(date +%s)" -gt 1600000000 ] && echo ok
### ls
touch b a .h; mkdir d; ls; ls -1; ls -A; ls nofile; echo $?; touch d/x; ls d
### cat many
echo a > f; echo b > g; cat f - g <<< mid; cat f nofile g; echo $?
### yaml with dollar in document
x=1; cat > f <<EOF
a: "$x"
b: '\$y'
c: \`z\`
EOF
cat f
### status of assignment with failing document
set -e; cat > f <<EOF
$(echo ok)
EOF
cat f
### arguments with equals
f() { printf '<%s>' "$@"; echo; }; f --a=b c=d "--x=$HOME_Y" --e='f g'
### braces stay
f() { printf '<%s>' "$@"; echo; }; f '{.items[*]}' "{\"a\": 1}" {} {x}
### numbers and signs
f() { printf '<%s>' "$@"; echo; }; f -1 +2 1.5 0x1 a-b a+b a@b a%b
### assignment keeps spaces
x="a   b"; y=$x; z=$(echo "$x"); echo "$y|$z"
### json building
list=''; for n in a b; do list="$list${list:+, }\"$n\": {\"v\": ${#n}}"; done; printf '{"x": %s}\n' "{$list}"
### bool helper
b() { if "$@"; then printf 'true'; else printf 'false'; fi; }; printf '%s %s\n' "$(b test a = a)" "$(b test -f nofile)"
### colon and true
: a b c; echo $?; true x; false y; echo $?
### semicolon after background
true & wait; echo ok
### variables named by digits and underscores
a1=x; _b=y; A_B2=z; echo "$a1$_b$A_B2" "${a1}_" "$a1-"
### unquoted star args to for
set -- "a b" c; for i in $*; do echo $i; done
### expansion in pattern default
x=a.b; echo "${x%%"${y:-.b}"}"
### double quoted backslashes
echo "a\\b \"c\" \$d \n \`"
### exec replaces
echo a; exec echo b; echo c
### exec unknown
exec nosuchprogram; echo c
### umask accepted
umask 077; echo $?
### type of builtins
type -t if >/dev/null; type cd; type -P cat > /dev/null; echo $?
### until with command
n=0; until grep -q 3 f 2> /dev/null; do n=$((n+1)); echo $n >> f; done; echo $n
### timeout loop by seconds
end=$((SECONDS + 5)); i=0; while [ $SECONDS -lt $end ]; do i=$((i+1)); [ $i -ge 3 ] && break; done; echo $i
### return in loop
f() { for i in 1 2 3; do [ $i = 2 ] && return 7; done; }; f; echo $?
### if with and list
x=1; if [ $x = 1 ] && [ -z "" ]; then echo both; fi; if [ $x = 2 ] || [ $x = 1 ]; then echo either; fi
### not in if
if ! grep -q a nofile 2>/dev/null; then echo absent; fi
### heredoc with command after
cat <<EOF && echo after
body
EOF
### IFS restored
f() { local IFS=,; set -- a,b; set -- $1; echo $#; }; f; x="p q"; set -- $x; echo $#
### eof in function in substitution
f() { cat <<EOF
$1
EOF
}; x=$(f "a  b"); echo "$x"
### words that the grammar cuts in two
folder=a; digest=b; n=3
script=$folder/$digest.sh
x=$folder/$digest.sh; y=$folder.$digest.$n/x
echo "$script" $folder/$digest.sh $x $y
mkdir a; echo q > $folder/$digest.sh; cat < $folder/$digest.sh
for f in $folder/$digest.sh $n.x; do echo $f; done
f() { local z=$folder/$digest.sh w=$n; echo $z $w; }; f
export V=$folder/$digest.sh; echo $V; A=$folder/$digest.sh B=1 echo ok
case $folder/$digest.sh in a/b.sh) echo yes;; esac
### words around operators
echo a;echo b&&echo c||echo d
echo x>f;cat<f;(echo s)|cat;{ echo g;}|cat
echo "a;b|c&d" 'e;f' a\;b
### non-ascii words
x="grün → ✓"; echo "$x" ${x#*→} ; printf '%s\n' "é$x"; echo ü>f; cat f
### several here-strings and continuations
cat <<< "a" \
  | cat - \
  > f
cat f
### words before a here-document
cat - <<EOF
x
EOF
cat - <<'EOF' > f
y
EOF
cat f; f() { cat; echo "$@"; }; f a - <<EOF
q
EOF
f a > g b; cat g

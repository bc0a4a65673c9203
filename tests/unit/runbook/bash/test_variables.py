"""Which variables a text needs and sets; bash itself (``set -u``) says whether that is so."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.runbook.bash.variables import variables_of


@pytest.mark.fault("4.48")
@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("rm -rf $DIR/*.tmp", "DIR"),
        ("DIR=/x; rm -rf $DIR", ""),
        ("DIR=/x rm -rf $DIR", "DIR"),  # it is expanded before the assignment counts
        ("A=1 B=$A\necho $B", ""),
        ("echo ${X:-$Y} ${X-} ${Z+z} ${V:=v} $V ${W:?} ${U}", "U"),
        ("echo ${#A} ${!B} ${!P*} ${C[1]} ${D//a/$E} ${F%%.*}", "A B C D E F"),
        ("read -r A B; echo $A$B; read; echo $REPLY", ""),
        ("mapfile -t L <$F; echo ${L[0]}", "F"),
        ("for f in $LIST; do rm $f; done; rm $f", "LIST"),
        ("for ((i=0; i<n; i++)); do echo $i; done", "n"),
        ("(A=1; rm $A); rm $A", "A"),
        ("x=$(A=1; echo $A); rm $x $A", "A"),
        ("f() { rm -rf $T/*; }", ""),
        ("function f { rm $T; }; rm $S", "S"),
        ("local A=1; declare -r B=2; export C=$A D; echo $A$B$C$D", "D"),
        ("declare -a L; L+=(1); echo ${L[@]}", ""),
        ("arr=(a $b c); rm ${arr[$i]}", "b i"),
        ("cat <<EOF >f\n$A\nEOF\n", "A"),
        ("cat <<-'EOF' >f\n\t$A\n\tEOF\nrm $B", "B"),
        ("awk '{print $X}' f; echo \"it's $Y\" $'\\'$Z'", "Y"),
        ("case $A in x|y) B=1;; *) rm $C;; esac", "A C"),
        ('if [ -z "$A" ]; then A=1; fi; rm $A', "A"),
        ("[[ $a =~ (x|y)$ ]] && rm $b", "a b"),
        ("echo `rm $A \\`rm $B\\``", "A B"),
        ("echo $((A + 16#ff + $B))", "B A"),
        ("((n++)); let m=2; echo $n$m", ""),
        ("A=1; unset A; rm $A", "A"),
        ("while read -r l; do rm $l; done < <(ls $D)", "D"),
        ("printf -v out %s a; exec {fd}>f; rm $out $fd", ""),
        ("rm a # $B\nrm '#' $C", "C"),
        ("echo $? $$ $# $@ $1 ${10} ${@:2}", ""),
        ("find . -exec sh -c 'rm $x' \\; -name \\$y", "x"),
        ("docker exec db sh -c 'psql $URI'; ssh web bash -c '$X'; env Y=1 sh -c 'echo $Y$Z'", "Z"),
        ("tar c \\\n  $A", "A"),
        ("cat <<E\na \\\nE\n$A\nE\nrm $B", "A B"),  # a line that goes on ends no here-document
        ("((ls; rm \\$A); rm $B); rm \"${C#'}'}\" '$D'", "B C"),
        ("read A &>f; for((i=0; i<n; i++)); do rm $A; done; eval <(cat $B); rm $C", "n B"),
        ("eval 'rm $A'; B=1 bash -ec 'rm $B $C; D=1'; sudo sh -c 'rm \"$1\" $E' sh x; rm $D", "A C E D"),
        ('eval "$(ssh-agent)"; rm $A', ""),
        ("((((((((" * 20, ""),
        ("echo ${A", "A"),  # what cannot be read is taken for needed
    ],
)
def test_what_a_text_needs(text: str, needs: str) -> None:
    assert " ".join(variables_of(text).needs) == needs


def test_behind_what_another_file_may_set_it_is_not_known() -> None:
    found = variables_of(". /etc/os-release && rm $VERSION; rm $VERSION")
    assert (found.needs, found.maybe, found.foreign) == ((), ("VERSION",), True)
    found = variables_of("v=$(. /etc/os-release; echo $VERSION); rm $v $OTHER")
    assert (found.needs, found.maybe) == (("OTHER",), ("VERSION",))


_NAMES = st.sampled_from("ABCD")
_USES = st.sampled_from(
    ["${}", '"${{{}}}"', "$(echo ${})", "`echo ${}`", "${{{}%x}}", '"a $(echo "${}") b"', "$(({}))"]
)
_SETS = st.sampled_from([
    "{}=1", "export {}=1", "read -r {} <<<1", "printf -v {} 1", "for {} in 1; do :; done", ": ${{{}:=1}}", "(({}=1))",
    "declare {}=1", "mapfile -t {} <<<1", "if true; then {}=1; fi", "{{ {}=1; }}", "case x in x) {}=1 ;; esac",
    "({}=1)", "{}=1 true", ": $({}=1)", "unset {}", "while false; do :; done; {}=1 :",
])  # fmt: skip
_STATEMENTS = st.one_of(
    st.builds(lambda use, name: ": " + use.format(name), _USES, _NAMES),
    st.builds(lambda set_, name: set_.format(name), _SETS, _NAMES),
    st.builds(lambda use, name: f"cat <<E >/dev/null\n{use.format(name)}\nE", _USES, _NAMES),
    st.builds(lambda use, name: f"[[ x == {use.format(name)} ]] || true", _USES, _NAMES),
)


@pytest.mark.fault("4.48")
@settings(max_examples=150)
@given(st.lists(_STATEMENTS, min_size=1, max_size=6))
def test_bash_finds_unset_what_was_said_to_be_needed_and_nothing_else(statements: list[str]) -> None:
    text = "\n".join(statements)
    bash = ["bash", "--noprofile", "--norc", "-uc", text]
    needs = variables_of(text).needs
    plain = {"PATH": os.environ["PATH"]}
    missing = subprocess.run(bash, env=plain, capture_output=True, text=True, check=False)
    assert ("unbound variable" in missing.stderr) is bool(needs), (text, needs, missing.stderr)
    given_ = subprocess.run(bash, env=plain | dict.fromkeys(needs, "1"), capture_output=True, text=True, check=False)
    assert "unbound variable" not in given_.stderr or "unset" in text, (text, needs)

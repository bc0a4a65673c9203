"""Readers whose variables are looked at before they run: ``kubectl -n $NAMESPACE get pods``."""

from __future__ import annotations

import pytest

from lilfox_tui.runbook.recognising import Judged, judged, verdict_of_text

READS = {
    "kubectl -n $NAMESPACE get pods": ("NAMESPACE",),
    "kubectl -n ${NAMESPACE} logs $POD | grep -c lead": ("NAMESPACE", "POD"),
    'oc describe "$NODE"': ("NODE",),
    "oc logs pod/$POD -n prod": ("POD",),
    'first="$(oc get pods -n $NAMESPACE | head -n 1)"': ("NAMESPACE",),
    "kubectl get pods $APP$SUFFIX": ("APP", "SUFFIX"),
    "if kubectl -n $NS get pod x; then echo there; fi": ("NS",),
    "for each in a b; do oc -n $NS get pod $each; done": ("NS",),
    "find $DIR -name x": ("DIR",),
    "kubectl logs -f $POD": ("POD",),
}
NEVER = [
    "$X get pods", "kubectl $X pods", "sudo $X", "x=-C; dmesg $x", "awk $X f", "psql -c $X",
    "find . $X $Y -delete", "sysctl -w $X", "ls > $X", "echo ${!X}", "echo ${X@P}", "kubectl get pods ${X:-a b}",
    "for X in a; do $X; done", "X=1; kubectl -n $X delete pod", "xargs $X", "bash -c $X", "bash -c 'ls $X; rm $X'",
    "kubectl -n $@ get pods", "kubectl -n $1 delete pod x", "ip $X", "nft list $X", "curl $X", "[[ $X -eq 1 ]]",
    "read X; kubectl -n $X get pods", "X=$(cat f); kubectl -n $X get pods", "while read X; do oc get $X; done < f",
    "export X=$(cat f); oc -n $X get pods", "printf -v X '%s' 'a b'; oc -n $X get pods", "timeout 5 $X", "env $X",
    "kubectl get pods -o $X --$Y", "systemctl $X nginx", "docker compose -f $X $Y", "redis-cli $X", "sed $X f",
]  # fmt: skip


@pytest.mark.parametrize(("text", "names"), READS.items())
def test_a_reader_names_the_variables_that_must_be_plain_words(text: str, names: tuple[str, ...]) -> None:
    found = judged(text)
    assert found.verdict in ("read", "follow")
    assert found.plain == names
    assert verdict_of_text(text) == "unknown", "nobody has looked at them"


@pytest.mark.parametrize("text", NEVER)
def test_what_a_plain_word_would_change_is_no_reader(text: str) -> None:
    assert judged(text).verdict not in ("read", "follow")


@pytest.mark.parametrize("text", ["ls -l", 'grep -- "$X" f', "echo $?", "echo '$X'", "awk '{print $NF}' f", "cat <f"])
def test_what_reads_whatever_its_variables_hold_asks_for_nothing(text: str) -> None:
    assert judged(text) == Judged("read")

"""Renames of a restore that did not come to their end: finished, or taken back; and the way back of a whole restore."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from lilfox_tui.backup import journal
from lilfox_tui.backup.opening import Opening, source_module
from lilfox_tui.backup.source import Kept, Swap
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr


async def undo_swap(opening: Opening, swap: Swap) -> None:
    """What was there before is there again. Raises BackupError, HostError."""
    await source_module(swap.kind).undo(swap, opening.host(swap.host or None))


async def settle(opening: Opening, restored: journal.Restored) -> str:
    """Finishes the renames of a restore whose process died between them (all was compared before the first of them), or
    the undoing of one; gives what was done in a sentence. Where one of them cannot be finished all are undone: those
    before it, and those after it, which were not begun. Raises BackupError, HostError."""
    if restored.stage == "undoing":
        await undo_rest(opening, restored)
        return str(tr("the restore of {set} that was interrupted is undone", set=restored.set))
    for number, swap in enumerate(restored.swaps):
        if await source_module(swap.kind).settle(swap, opening.host(swap.host or None)) == "undone":
            await _all_back(opening, restored, restored.swaps[number + 1 :])
            return str(tr("the restore of {set} that was interrupted is as it was before", set=restored.set))
    journal.write(msgspec.structs.replace(restored, stage="swapped"))
    return str(tr("the restore of {set} that was interrupted is finished", set=restored.set))


async def finish(opening: Opening, restored: journal.Restored) -> str:
    """All that was restored is in place, whichever of its renames were made; of an undoing: all is as it was before.
    Gives that in a sentence. Raises BackupError, HostError; then what is done is done, and it is still half done."""
    if restored.stage == "undoing":
        return await _all_back(opening, restored, restored.swaps)
    return await _all_in_place(opening, restored)


async def take_back(opening: Opening, restored: journal.Restored) -> str:
    """The other way: all is as it was before; of an undoing: all that was restored is in place again. Raises
    BackupError, HostError."""
    if restored.stage == "undoing":
        return await _all_in_place(opening, restored)
    return await _all_back(opening, restored, restored.swaps)


async def _all_in_place(opening: Opening, restored: journal.Restored) -> str:
    restored = msgspec.structs.replace(restored, stage="swapping", undone=0)
    journal.write(restored)
    for swap in restored.swaps:
        await source_module(swap.kind).finish(swap, opening.host(swap.host or None))
    journal.write(msgspec.structs.replace(restored, stage="swapped"))
    return str(tr("all of {set} is in place; back to what was there: lilfox restore --undo {set}", set=restored.set))


async def _all_back(opening: Opening, restored: journal.Restored, rest: Sequence[Swap]) -> str:
    """``rest``: those that may never have been begun: what was staged for them goes too."""
    idle = [each for each in rest if await _is_staged_alone(opening, each)]
    await undo_rest(opening, restored)
    for each in idle:
        with suppress(LilFoxError):  # it stays and is shown with what restores keep
            await source_module(each.kind).forget(each, opening.host(each.host or None))
    return str(tr("all is as it was before {set} was restored", set=restored.set))


async def _is_staged_alone(opening: Opening, swap: Swap) -> bool:
    """Whether none of its renames was made: what was staged was never in use, and nobody wants it back."""
    try:
        kept: list[Kept] = await source_module(swap.kind).kept(swap, opening.host(swap.host or None))
    except LilFoxError:
        return False
    before = {one.before for one in swap.renames}
    return len(kept) == len(swap.renames) and not any(each.name in before for each in kept)


async def undo_rest(
    opening: Opening,
    restored: journal.Restored,
    intend: Callable[[Swap], None] = lambda _swap: None,
    tell: Callable[[Swap], None] = lambda _swap: None,
) -> None:
    """Undoes what is not undone yet, the last first; each is on the disk once it is. Where the first of a whole restore
    is refused, the restore stands as it did."""
    stood = restored.stage == "swapped"
    restored = msgspec.structs.replace(restored, stage="undoing")
    journal.write(restored)
    for swap in reversed(restored.swaps[: len(restored.swaps) - restored.undone]):
        intend(swap)
        try:
            await undo_swap(opening, swap)
        except LilFoxError:
            if stood and not restored.undone:
                journal.write(msgspec.structs.replace(restored, stage="swapped"))
            raise
        restored = msgspec.structs.replace(restored, undone=restored.undone + 1)
        journal.write(restored)
        tell(swap)
    journal.write(msgspec.structs.replace(restored, stage="undone"))

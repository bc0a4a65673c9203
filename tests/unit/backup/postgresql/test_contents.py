"""What the list of an archive says of indexes: as pg_restore 17 writes it."""

from __future__ import annotations

from lilfox_tui.backup.postgresql.contents import Contents, read_contents

LISTED = """;
; Archive created at 2026-11-26 06:12:57 UTC
;     dbname: shop
;
; Selected TOC Entries:
;
3460; 0 0 ENCODING - ENCODING 
217; 1259 16386 TABLE public users app
218; 1259 16395 TABLE public messages app
219; 1259 16399 TABLE public Odd name app
220; 1259 16401 TABLE public parted app
3500; 0 0 TABLE ATTACH public part app
;	depends on: 220 221
221; 1255 16405 FUNCTION public f(integer) app
3453; 0 16395 TABLE DATA public messages app
;	depends on: 218
3292; 2606 16394 CONSTRAINT public users users_email_key app
;	depends on: 217
3296; 2606 16401 CONSTRAINT public messages messages_pkey app
;	depends on: 218
3299; 2606 16402 CHECK CONSTRAINT public messages sound app
;	depends on: 218
3297; 1259 16436 INDEX public messages_user_id_sent_idx app
;	depends on: 218 218
3298; 1259 16437 INDEX public messages_f_idx app
;	depends on: 221 218
3301; 1259 16438 INDEX public odd_idx app
;	depends on: 219
3302; 0 0 INDEX ATTACH public part_idx app
;	depends on: 218
3305; 2606 16402 FK CONSTRAINT public messages messages_user_id_fkey app
;	depends on: 3292 217 218
3306; 2620 16410 TRIGGER public messages told app
;	depends on: 218
"""  # noqa: W291 - so it is written


def test_indexes_and_keys_are_told_that_need_their_table_alone() -> None:
    assert read_contents(LISTED).indexes == {"public.users": (3292,), "public.messages": (3296, 3297)}


def test_what_is_left_is_all_else_in_its_order() -> None:
    contents = read_contents(LISTED)
    made = {3292, 3296, 3297}
    assert contents.without(set()) == list(contents.numbers)
    assert len(contents.numbers) == 17
    assert contents.without(made) == [number for number in contents.numbers if number not in made]


def test_of_what_is_no_list_nothing_is_told() -> None:
    for text in ("", "pg_restore: error: could not read\n", ";\tdepends on: 3\n3; 1259 x\n"):
        assert read_contents(text) == Contents()

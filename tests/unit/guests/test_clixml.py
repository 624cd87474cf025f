from __future__ import annotations

from provision.guests.clixml import readable

HEADER = "#< CLIXML\r\n"
OPEN = '<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'


def test_text_that_is_no_clixml_stays() -> None:
    assert readable("plain <S> text\r\n") == "plain <S> text\r\n"


def test_errors_become_text() -> None:
    document = f'{HEADER}{OPEN}<S S="Error">it broke_x000D__x000A_</S><S S="Error">At line:1_x000D__x000A_</S></Objs>'
    assert readable(document) == "it broke\r\nAt line:1\r\n"


def test_progress_is_left_out_and_warnings_stay() -> None:
    progress = (
        '<Obj S="progress" RefId="0"><MS><I64 N="SourceId">1</I64><PR N="Record"><AV>Preparing</AV></PR></MS></Obj>'
    )
    assert readable(f'{HEADER}{OPEN}{progress}<S S="Warning">mind_x000A_</S></Objs>') == "mind\n"


def test_plain_text_around_a_document_stays() -> None:
    assert readable(f'before\n{HEADER}{OPEN}<S S="Error">e</S></Objs>after\n') == "before\neafter\n"


def test_escapes_beyond_the_basic_plane() -> None:
    assert readable(f'{HEADER}{OPEN}<S S="Error">_xD83C__xDF89_ _x005F_x</S></Objs>') == "\U0001f389 _x"


def test_what_cannot_be_read_stays_as_it_came() -> None:
    broken = f"{OPEN}<S></Objs>"
    assert readable(HEADER + broken) == broken
    entity = f'{OPEN}<!DOCTYPE a [<!ENTITY b "c">]><S S="Error">x</S></Objs>'
    assert "ENTITY" in readable(HEADER + entity)


def test_a_document_cut_short_loses_only_its_header() -> None:
    assert readable(f'{HEADER}{OPEN}<S S="Error">half') == f'{OPEN}<S S="Error">half'

from pass_cases import assert_rewrites

from tinyml.passes.drop_dead import PASS


def test_drops_chains_that_nothing_reads_but_keeps_states() -> None:
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,2]
        state %h: float32[1,2] = %next
        const %c: float32[2] = [1.0, 2.0]
        %a: float32[1,2] = mul(%x, %c)
        %b: float32[1,2] = exp(%a)
        %next: float32[1,2] = add(%x, %h)
        %y: float32[1,2] = tanh(%x)
        output %y
        """,
        """
        input %x: float32[1,2]
        state %h: float32[1,2] = %next
        %next: float32[1,2] = add(%x, %h)
        %y: float32[1,2] = tanh(%x)
        output %y
        """,
    )

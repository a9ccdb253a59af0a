"""What the verifier raises."""

from tinyml.ir.graph import Node


class VerifyError(AssertionError):
    """A graph breaks a rule of the IR.

    Attributes:
        where: the node, value or state ("node conv_1 (conv2d)").
        rule: the rule's name ("shape").
    """

    def __init__(self, where: str, rule: str, detail: str) -> None:
        super().__init__(f"{where} breaks the rule '{rule}': {detail}")
        self.where = where
        self.rule = rule


def where(node: Node) -> str:
    """How messages name a node."""
    return f"node {node.name} ({node.op.value})"

"""What is wrong with a policy document."""


class PolicyError(ValueError):
    """A document that is refused.

    Args:
        source: the file, or where else it came from.
        path: the member at fault, such as `match.agents[0]`; empty for the whole.
        problem: what is wrong and what is allowed.
    """

    def __init__(self, source: str, path: str, problem: str) -> None:
        super().__init__(f"{source}: {path + ': ' if path else ''}{problem}")
        self.source = source
        self.path = path
        self.problem = problem

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.source, self.path, self.problem))

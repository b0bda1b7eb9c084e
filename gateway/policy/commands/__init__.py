"""Commands and programs that an agent wants run: what a rule lets through, decided from the text alone."""

from gateway.policy.commands.jail import path_problem
from gateway.policy.commands.javascript import program_problem
from gateway.policy.commands.judge import problem

__all__ = ["path_problem", "problem", "program_problem"]

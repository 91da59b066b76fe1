"""What a command would read and compile first, done once in the process from which the tests' commands are forked."""

import gc

from agent.planners.rules import RulesPlanner
from tests.agent.rules.everyday import CONTEXTS
from tools import registry

registry.registered()
for context in CONTEXTS.values():
    for said in ("make it much brighter and blur the background", "undo that", "merge night"):
        RulesPlanner().plan(said, context)
gc.freeze()  # or each command's first collection would copy all of it

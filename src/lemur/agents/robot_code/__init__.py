"""RoboCodeGen: prompts, episodes, and programs that run in the sandbox."""

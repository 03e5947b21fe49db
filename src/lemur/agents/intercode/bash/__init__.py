"""IC-Bash and IC-CTF: commands in a root file system that is thrown away (InterCode, section 4)."""

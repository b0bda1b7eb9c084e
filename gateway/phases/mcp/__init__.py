"""The six phases of an exchange with an MCP server: what is judged is the call itself, before it is executed."""

"""A small, strict, honest Windows PowerShell 5.1 for the subset of the language that our own scripts use.

Text becomes a tree (`scan`, `parse_expressions`, `parse_commands`, `parse_blocks`, `parse`; nodes in `syntax`).
`lint` refuses by name what the subset leaves out.  `table` and ``commands.json`` know the parameters of Windows
commands, `binder` and `bind_values` bind arguments as Windows does.  `state`, `expressions`, `statements`, `pipelines`
and `stages` run the tree, each on top of the one before; `runtime` is the whole.  Values are in `values`, `types`,
`convert`, `operators` and `text_tools`; their members in `members`, `methods`, `dotnet`, `static_files`, `natives`.
The commands that the interpreter has itself are in `object_commands`, `object_writing`, `file_commands`,
`file_writing`, `json_commands` and `plain_commands`; all others reach the machine through `box.Box`.  The ways in are
`interpreter.run_script` and `run_command`.

The parser is ours and not tree-sitter's: the grammar at hand misreads words of commands, which is where scripts for
nodes go wrong.  The scripts' tests parse everything with that grammar too, as an independent opinion.
"""

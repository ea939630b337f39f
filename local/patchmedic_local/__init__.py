"""PatchMedic's local cloud: MiniStack in one process, with a simulated SSM fleet laid over it.

Here: everything that makes ``python -m patchmedic_local serve`` answer like an AWS account with
managed nodes that fail the way real nodes fail.  Not here: PatchMedic itself; nothing in this
package imports it, so the service is judged by a cloud that knows nothing of its rules.

The rooms: ``hooks`` change MiniStack (one module a change), ``cloud`` is the one seam through
which the rest reads it, ``scenario`` reads the YAML files, ``fleet`` is the physics of the nodes,
``ssm`` the API over them, ``admin`` the loopback HTTP API for demos and tests.
"""

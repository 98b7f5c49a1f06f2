"""The import on Quix Streams, the stream library a Python user would choose today.

Written as one would who wants it fast: the export goes on a topic, and two processes of a consumer group
turn tickets into objects in a sink that works on a thousand at once: 50 comment calls in flight, 100 texts
an embedding, 200 objects an insert, the pipeline's ids and properties. Delivery is at least once. Against
the pipeline it leaves out the topics between the stages (nothing can be replayed without Zendesk), tables,
versions, limits, dead letters and deletes.

Its packages (``requirements.in``) do not fit beside the project's: they get an environment of their own.
"""

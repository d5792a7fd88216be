"""Settings of nbgrader for this course; `make grade` reads them, and so does nbgrader itself."""

c = get_config()  # noqa: F821 - nbgrader puts it here

c.CourseDirectory.course_id = "atomlens"
c.ClearSolutions.code_stub = {"python": "# Your code here"}
c.ClearSolutions.enforce_metadata = False
c.Execute.kernel_name = "atomlens"  # of the environment in which atomlens is installed
c.Execute.timeout = 180  # seconds a cell; then it is interrupted and earns nothing
c.Execute.interrupt_on_timeout = True
c.Execute.extra_arguments = ["--HistoryManager.enabled=False"]

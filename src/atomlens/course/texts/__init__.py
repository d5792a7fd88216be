"""What the exercises say, one module a lesson: hints in three levels, and reasons for choices."""

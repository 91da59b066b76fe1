"""Names, shapes and kinds of the tensors of full-size public checkpoints, as compact tables; see `remake.py`."""

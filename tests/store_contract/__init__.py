"""What every store must do, whatever database it stands on: the same tests over each engine."""

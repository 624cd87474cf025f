"""Side-by-side measurements of the performance budgets, as ratios in one run: `invoke bench`."""

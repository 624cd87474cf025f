package app

// Change differs from commit to commit.
const Change = ""

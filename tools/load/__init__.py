"""The suite under load, and whether its memory stays flat: kernels, sliders, films and runs, many of them.

    python -m tools.load                  every load
    python -m tools.load runs film        these alone
    python -m tools.load --draw           the figure anew, from what is kept

A load is something that users do, done far more often than they would. While it lasts, the resident memory, the open
files and the threads of the process in question are read now and then (`samples`); a rule that is written down beside
them says whether they stayed flat (`judge`). Results go to docs/results/load.json, the figure to docs/images/load.png.
No times are kept: this may run on a busy machine.
"""

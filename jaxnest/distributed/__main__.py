"""One process of several: see `jaxnest launch`."""

import sys

from jaxnest.distributed._processes import work

work(sys.argv[1], sys.argv[2:])

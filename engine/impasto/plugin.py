"""What plugins may use besides ``import impasto``: pictures, files, errors and names in profiles.

The built-in plugins use these and nothing else of the engine; so may anybody's. Shapes are (1, 3, H, W),
sRGB in [0, 1], unless a function says otherwise. :mod:`impasto.testing` helps to test a plugin.
"""

from impasto.demo import CONTENT as DEMO_CONTENT
from impasto.demo import STYLE as DEMO_STYLE
from impasto.errors import unknown
from impasto.files.names import fitting_name
from impasto.files.outputs import Outputs
from impasto.files.scratch import scratch_folder
from impasto.files.whole import written_whole
from impasto.host.extras import require
from impasto.images.contact_sheet import contact_sheet
from impasto.images.films import even_side, film_frame, film_stream
from impasto.images.tensors import (
    SUFFIXES,
    fitted,
    open_picture,
    resized,
    save,
    to_picture,
    to_tensor,
)
from impasto.model.gpu import (
    convolution_with_relu,
    forget_peak,
    fuses_optimizer,
    fuses_relu,
    peak_bytes,
    sum_of_outer_products,
    synchronize,
)
from impasto.model.hypercolumns import (
    HypercolumnLoss,
    Hypercolumns,
    Places,
    Redraw,
    hypercolumns,
    layer_columns,
)
from impasto.model.loss import STYLE_LAYERS, constant, full
from impasto.model.precision import precision_name
from impasto.model.scopes import part
from impasto.model.torus import around, inside
from impasto.optimization.outcome import result_so_far
from impasto.settings.listing import setting_records
from impasto.settings.plain_json import from_json
from impasto.storage.recipe import read_recipe

__all__ = [
    "DEMO_CONTENT",
    "DEMO_STYLE",
    "STYLE_LAYERS",
    "SUFFIXES",
    "HypercolumnLoss",
    "Hypercolumns",
    "Outputs",
    "Places",
    "Redraw",
    "around",
    "constant",
    "contact_sheet",
    "convolution_with_relu",
    "even_side",
    "film_frame",
    "film_stream",
    "fitted",
    "fitting_name",
    "forget_peak",
    "from_json",
    "full",
    "fuses_optimizer",
    "fuses_relu",
    "hypercolumns",
    "inside",
    "layer_columns",
    "open_picture",
    "part",
    "peak_bytes",
    "precision_name",
    "read_recipe",
    "require",
    "resized",
    "result_so_far",
    "save",
    "scratch_folder",
    "setting_records",
    "sum_of_outer_products",
    "synchronize",
    "to_picture",
    "to_tensor",
    "unknown",
    "written_whole",
]

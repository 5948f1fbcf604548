"""Makes the pictures beside this file: one scene in the codings of JPEG that the encoder of the tests does not write.
Needs numpy and Pillow 11.2. The scene has edges, so that progressive scans refine coefficients of every kind."""
import pathlib

import numpy as np
from PIL import Image

here = pathlib.Path(__file__).parent
y, x = np.mgrid[0:37, 0:45]
rgb = np.stack([x * 5, y * 6, (x * y) % 256], -1)
rgb[8:20, 10:30] = [250, 20, 60]
rgb[(x - 30) ** 2 + (y - 25) ** 2 < 50] = [10, 240, 30]
scene = Image.fromarray(rgb.astype(np.uint8))
scene.save(here / "baseline.jpg", quality=85, subsampling="4:2:0")
scene.save(here / "progressive.jpg", quality=90, progressive=True, subsampling="4:2:0")
scene.save(here / "restart.jpg", quality=85, subsampling="4:2:2", restart_marker_blocks=2)
scene.convert("L").save(here / "progressive-grey.jpg", quality=95, progressive=True)
scene.convert("CMYK").save(here / "cmyk.jpg", quality=85)

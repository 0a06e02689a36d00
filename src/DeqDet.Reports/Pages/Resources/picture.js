// From the pixels of a picture to the network's input, number by number as the program does it: a canvas would smooth them in its own way.

const WEIGHT = 2048; // weights of the resize are whole numbers of 11 bits

// Half to even, as the program rounds.
function rounded(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

// The size a picture takes: as large as both limits allow, its ratio kept.
export function sizeWithin(width, height, short, long) {
  const factor = Math.min(Math.max(short, long) / Math.max(width, height), Math.min(short, long) / Math.min(width, height));
  return [width, height].map((side) => Math.max(Math.trunc(side * factor + 0.5), 1));
}

// For each position of an axis the two that it lies between in the source, and their weights; pixel centres are at halves.
function tapsOf(from, to) {
  const [first, second, near, far] = [0, 1, 2, 3].map(() => new Int32Array(to));
  const scale = 1 / (to / from);
  for (let i = 0; i < to; i++) {
    const position = Math.fround((i + 0.5) * scale - 0.5);
    let at = Math.floor(position);
    let fraction = Math.fround(position - at);
    if (at < 0 || at >= from - 1) [at, fraction] = [Math.min(Math.max(at, 0), from - 1), 0];
    first[i] = at;
    second[i] = Math.min(at + 1, from - 1);
    near[i] = rounded(Math.fround(1 - fraction) * WEIGHT);
    far[i] = rounded(fraction * WEIGHT);
  }
  return { first, second, near, far };
}

// Gives `take` the rows of a picture (RGBA bytes) at another size, one after the other: y, and its R, G, B by turns.
function eachRow({ pixels, width, height }, toWidth, toHeight, take) {
  const row = new Uint8Array(3 * toWidth);
  if (toWidth === width && toHeight === height) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) for (let c = 0; c < 3; c++) row[3 * x + c] = pixels[4 * (y * width + x) + c];
      take(y, row);
    }
    return;
  }
  if (2 * toWidth === width && 2 * toHeight === height) {
    for (let y = 0; y < toHeight; y++) {
      for (let x = 0; x < toWidth; x++) {
        const at = 4 * (2 * y * width + 2 * x);
        for (let c = 0; c < 3; c++) row[3 * x + c] = (pixels[at + c] + pixels[at + 4 + c] + pixels[at + 4 * width + c] + pixels[at + 4 * width + 4 + c] + 2) >> 2;
      }
      take(y, row);
    }
    return;
  }
  const columns = tapsOf(width, toWidth);
  const rows = tapsOf(height, toHeight);
  const kept = new Map(); // rows of the source that are resized across, two at a time
  const across = (y) => {
    if (!kept.has(y)) {
      const line = new Int32Array(3 * toWidth);
      const start = 4 * y * width;
      for (let x = 0; x < toWidth; x++) {
        const [one, other] = [start + 4 * columns.first[x], start + 4 * columns.second[x]];
        for (let c = 0; c < 3; c++) line[3 * x + c] = (pixels[one + c] * columns.near[x] + pixels[other + c] * columns.far[x]) >> 4;
      }
      kept.set(y, line);
    }
    return kept.get(y);
  };
  for (let y = 0; y < toHeight; y++) {
    const [above, below] = [across(rows.first[y]), across(rows.second[y])];
    for (let i = 0; i < row.length; i++) row[i] = (((rows.near[y] * above[i]) >> 16) + ((rows.far[y] * below[i]) >> 16) + 2) >> 2;
    take(y, row);
    for (const old of kept.keys()) if (old < rows.first[y]) kept.delete(old);
  }
}

// A picture { pixels, width, height } as { images, shape, sizes, scale }: resized and normalised, with zeros at the right and below.
export function prepared(picture, input) {
  const [width, height] = sizeWithin(picture.width, picture.height, input.short_side, input.long_max);
  const [across, down] = [width, height].map((side) => Math.ceil(side / input.multiple) * input.multiple);
  const images = new Float32Array(3 * across * down);
  const levels = [0, 1, 2].map((channel) => {
    const [mean, deviation] = [Math.fround(input.mean[channel]), Math.fround(input.std[channel])];
    return Float32Array.from({ length: 256 }, (_, level) => Math.fround(level - mean) / deviation);
  });
  eachRow(picture, width, height, (y, row) => {
    for (let channel = 0; channel < 3; channel++) {
      const start = (channel * down + y) * across;
      for (let x = 0; x < width; x++) images[start + x] = levels[channel][row[3 * x + channel]];
    }
  });
  return {
    images,
    shape: [1, 3, down, across],
    sizes: Float32Array.of(width, height),
    scale: [Math.fround(width / picture.width), Math.fround(height / picture.height)],
  };
}

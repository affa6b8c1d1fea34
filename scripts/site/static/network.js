// The network in the browser: ONNX Runtime as WebAssembly on one thread, in a worker, with files from this site only.
// More threads would need the headers COOP and COEP, which a plain file server does not send.
import * as ort from "./ort/ort.wasm.bundle.min.mjs";

const folder = new URL("./", import.meta.url);
ort.env.wasm.numThreads = 1;
ort.env.wasm.proxy = true; // run in a worker, so that the page answers meanwhile
ort.env.wasm.wasmPaths = { wasm: new URL("ort/ort-wasm-simd-threaded.wasm", folder).href };

/** Load the network of `file`, which labels frames of `width` x `height` pixels. */
export async function openNetwork(file, width, height) {
  const session = await ort.InferenceSession.create(new URL(file, folder).href, {
    executionProviders: ["wasm"],
    logSeverityLevel: 3, // errors; it warns of constants that the converter has left
  });
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });

  /**
   * Fit a picture into the frame, whole and in the middle, and return its box. Its edges are repeated around it, as the
   * predictor of the course does: the network labels more pixels correctly than next to a plain colour.
   */
  function draw(picture) {
    const scale = Math.min(width / picture.width, height / picture.height);
    const box = {
      width: Math.max(1, Math.round(picture.width * scale)),
      height: Math.max(1, Math.round(picture.height * scale)),
    };
    box.x = (width - box.width) >> 1;
    box.y = (height - box.height) >> 1;
    const [right, bottom] = [box.x + box.width, box.y + box.height];
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, box.x, box.y, box.width, box.height);
    context.imageSmoothingEnabled = false;
    context.drawImage(canvas, box.x, 0, 1, height, 0, 0, box.x, height);
    context.drawImage(canvas, right - 1, 0, 1, height, right, 0, width - right, height);
    context.drawImage(canvas, 0, box.y, width, 1, 0, 0, width, box.y);
    context.drawImage(canvas, 0, bottom - 1, width, 1, 0, bottom, width, height - bottom);
    return box;
  }

  /** Label a canvas: {labels: train ids of its pixels, width, height, milliseconds}. */
  async function label(picture) {
    const box = draw(picture);
    const rgba = context.getImageData(0, 0, width, height).data;
    const frame = new Uint8Array(width * height * 3);
    for (let i = 0, j = 0; i < frame.length; j++) {
      frame[i++] = rgba[j++];
      frame[i++] = rgba[j++];
      frame[i++] = rgba[j++];
    }
    const feeds = { [session.inputNames[0]]: new ort.Tensor("uint8", frame, [1, height, width, 3]) };
    const started = performance.now();
    const output = (await session.run(feeds))[session.outputNames[0]].data;
    const milliseconds = performance.now() - started;
    const labels = new Uint8Array(box.width * box.height);
    for (let row = 0; row < box.height; row++) {
      const start = (box.y + row) * width + box.x;
      labels.set(output.subarray(start, start + box.width), row * box.width);
    }
    return { labels, width: box.width, height: box.height, milliseconds };
  }

  await label(canvas); // the first run is slower: the browser is still compiling
  return label;
}

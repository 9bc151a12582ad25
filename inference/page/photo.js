/** Photos: shown at once, and made small enough to send. */

import { bytes } from "./words.js";

const ACCEPTED = ["image/jpeg", "image/png", "image/webp"];
// What a model looks at is far smaller than this, and a phone's photo of 12 megapixels takes long on a slow line.
const MAX_BYTES = 2_000_000;
const MAX_PIXELS = 4_000_000;
const QUALITY = 0.9;

/**
 * Show a photo, and return what to send of it: the file itself, or a smaller JPEG. What the browser cannot show is sent
 * as it is, for the service to judge.
 *
 * @param {Blob} file
 * @param {HTMLImageElement} preview - where it is shown; its former object URL is revoked
 * @param {number} limit - bytes that the service takes
 * @returns {Promise<{body: Blob, note: string, visible: boolean}>} note says what was changed
 */
export async function prepare(file, preview, limit) {
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  try {
    await preview.decode();
  } catch {
    return { body: file, note: "", visible: false };
  }
  const { naturalWidth: width, naturalHeight: height } = preview;
  const accepted = ACCEPTED.includes(file.type);
  if (accepted && file.size <= Math.min(MAX_BYTES, limit) && width * height <= MAX_PIXELS) {
    return { body: file, note: "", visible: true };
  }
  const scale = Math.min(1, Math.sqrt(MAX_PIXELS / (width * height)));
  const canvas = draw(preview, Math.round(width * scale), Math.round(height * scale));
  const body = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  if (!body || (accepted && scale === 1 && body.size >= file.size)) {
    return { body: file, note: "", visible: true };
  }
  const change =
    scale < 1 ? `Scaled down from ${width} × ${height} to ${canvas.width} × ${canvas.height} pixels` : "Converted to JPEG";
  return { body, note: `${change} before sending: ${bytes(body.size)} instead of ${bytes(file.size)}.`, visible: true };
}

/** Return a square thumbnail of what an image element shows. */
export function thumbnail(image, side) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const scale = side / Math.min(width, height);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const [w, h] = [width * scale, height * scale];
  smooth(canvas).drawImage(image, (side - w) / 2, (side - h) / 2, w, h);
  return canvas;
}

// An image element is drawn upright: browsers apply its EXIF orientation, and the new JPEG needs none.
function draw(image, width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = smooth(canvas);
  context.fillStyle = "white"; // JPEG has no transparency
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0, width, height);
  return canvas;
}

function smooth(canvas) {
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  return context;
}

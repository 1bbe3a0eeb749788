// The outer shape of a zstd frame, checked before any decoder sees it.
//
// - Decoders differ in what they let pass: second frames, skippable frames, junk behind the frame,
//   missing checksums, windows of any size. What passes here is one frame and nothing else, so that
//   every decoder gives the same verdict and none needs more memory than the header promised.
// - What blocks hold and whether the checksum is right is for the decoder to say.
// - Time is linear in the input, and no byte outside of it is read.
//
// Spec: docs/spec/payload.md, "The zstd frame"; RFC 8878 section 3.1.1.

import { Fault } from "./fault.ts";

/** The largest window, and so the largest memory, that a frame may ask for. */
const windowBytesMax = 2 ** 23;
const blockBytesMax = 2 ** 17;
const checksumBytes = 4;

/** Throws Fault PAYLOAD_CORRUPT unless `bytes` look like exactly one frame of `rawLength` bytes. */
export function checkZstdFrame(bytes: Uint8Array, rawLength: number): void {
  const header = readHeader(bytes);
  if (header.contentBytes !== rawLength) {
    corrupt(`content size is ${header.contentBytes}, want ${rawLength}`, 5);
  }
  if (header.windowBytes > windowBytesMax) {
    corrupt(`window is ${header.windowBytes} bytes, want at most ${windowBytesMax}`, 5);
  }
  const end = endOfBlocks(bytes, header) + checksumBytes;
  if (end !== bytes.length) corrupt("bytes follow the frame", end);
}

/** Where the frame that `bytes` begin with ends. Throws Fault PAYLOAD_CORRUPT if there is none. */
export function zstdFrameEnd(bytes: Uint8Array): number {
  return endOfBlocks(bytes, readHeader(bytes)) + checksumBytes;
}

function endOfBlocks(bytes: Uint8Array, header: FrameHeader): number {
  const blockMax = Math.min(header.windowBytes, blockBytesMax);
  let at = header.length;
  for (let last = false; !last; ) {
    need(bytes, at, 3);
    const word = littleEndian(bytes, at, 3);
    last = (word & 1) === 1;
    const type = (word >> 1) & 3;
    const size = word >> 3;
    if (type === 3) corrupt("block type is reserved", at);
    if (size > blockMax) corrupt(`block is ${size} bytes, want at most ${blockMax}`, at);
    // Two section headers at least. Some decoders take an empty one for an empty block.
    if (type === 2 && size < 2) corrupt("compressed block has no sections", at);
    at += 3;
    // A run-length block (type 1) is one byte, however long what it stands for.
    const stored = type === 1 ? 1 : size;
    need(bytes, at, stored);
    at += stored;
  }
  need(bytes, at, checksumBytes);
  return at;
}

interface FrameHeader {
  /** Bytes up to the first block, magic included. */
  readonly length: number;
  readonly windowBytes: number;
  readonly contentBytes: number;
}

function readHeader(bytes: Uint8Array): FrameHeader {
  need(bytes, 0, 5);
  if (littleEndian(bytes, 0, 4) !== 0xfd2fb528) corrupt("frame has another magic", 0);
  const descriptor = bytes[4] as number;
  const singleSegment = (descriptor & 0x20) !== 0;
  // Bit 4 is unused: no decoder may interpret it.
  if ((descriptor & 0x08) !== 0) corrupt("reserved bit is set", 4);
  if ((descriptor & 0x04) === 0) corrupt("frame has no checksum", 4);
  if ((descriptor & 0x03) !== 0) corrupt("frame names a dictionary", 4);
  let at = 5;
  let windowBytes = 0;
  if (!singleSegment) {
    need(bytes, at, 1);
    const window = bytes[at] as number;
    windowBytes = 2 ** (10 + (window >> 3)) * (1 + (window & 7) / 8);
    at += 1;
  }
  const sizeFlag = descriptor >> 6;
  if (sizeFlag === 0 && !singleSegment) corrupt("frame has no content size", 4);
  const sizeBytes = 2 ** sizeFlag;
  need(bytes, at, sizeBytes);
  const contentBytes = littleEndian(bytes, at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  if (singleSegment) windowBytes = contentBytes;
  return { length: at + sizeBytes, windowBytes, contentBytes };
}

/** Above 2^53 it is rounded, which still differs from every length that is asked for. */
function littleEndian(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let index = length - 1; index >= 0; index -= 1) {
    value = value * 256 + (bytes[at + index] as number);
  }
  return value;
}

function need(bytes: Uint8Array, at: number, length: number): void {
  if (at + length > bytes.length) corrupt("frame ends too early", bytes.length);
}

function corrupt(message: string, at: number): never {
  throw new Fault("PAYLOAD_CORRUPT", message, at);
}

/** The first byte of an unfragmented text frame: FIN and the opcode 1 (RFC 6455, section 5.2). */
const finalText = 0x81;

/** An empty ping: FIN and the opcode 9, no payload. */
export const pingFrame = Buffer.from([0x89, 0]);

/**
 * An unmasked WebSocket text frame in one buffer. ws writes the header and the payload separately, which takes twice as
 * long for short messages.
 */
export function textFrame(text: string): Buffer {
  const byteLength = Buffer.byteLength(text);
  const headerLength = headerLengthOf(byteLength);
  const frame = Buffer.allocUnsafe(headerLength + byteLength);
  frame[0] = finalText;
  if (headerLength === 2) {
    frame[1] = byteLength;
  } else if (headerLength === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(byteLength, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(byteLength), 2);
  }
  frame.write(text, headerLength);
  return frame;
}

function headerLengthOf(byteLength: number): number {
  if (byteLength < 126) return 2;
  return byteLength < 65_536 ? 4 : 10;
}

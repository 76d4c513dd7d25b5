// The binary messages of the subprotocol ioc.video.units.v1: access units in decode
// order, each behind a head of 20 bytes, big-endian.

export const UNITS = "ioc.video.units.v1";

/** Times are microseconds; data points into the message. */
export interface Unit { key: boolean; timestamp: number; duration: number; data: Uint8Array }

const HEAD = 20;

/** The units of a message. One that is cut off ends the list: what came whole is kept. */
export function readUnits(message: Uint8Array<ArrayBuffer>): Unit[] {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength), units: Unit[] = [];
  for (let at = 0; at + HEAD <= view.byteLength; ) {
    const size = view.getUint32(at);
    if (at + HEAD + size > view.byteLength) break;
    units.push({
      key: (view.getUint8(at + 4) & 1) === 1, timestamp: Number(view.getBigInt64(at + 8)), duration: view.getUint32(at + 16),
      data: message.subarray(at + HEAD, at + HEAD + size),
    });
    at += HEAD + size;
  }
  return units;
}

/** Bytes that a JSON message carries as base64. */
export const bytesOf = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

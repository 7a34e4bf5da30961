/**
 * CRC-32C (Castagnoli, polynomial 0x1EDC6F41, bits reflected), eight bytes at a time. `linear` leaves out the usual
 * inversion at the start and the end. Then the checksum of zeros is 0, which suits tables with holes. Knows nothing of
 * the data.
 */

const POLYNOMIAL = 0x82f63b78;
/** TABLES[k * 256 + b]: the remainder of byte b followed by k zero bytes. */
const TABLES = buildTables();

/** The usual CRC-32C: "123456789" gives 0xE3069283. `before` is the checksum of the bytes before these. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  return (divide(bytes, ~before) ^ 0xffffffff) >>> 0;
}

/** Remainder with initial value 0 and no final inversion: 0 for any number of zeros. `before` as above. */
export function linearCrc32c(bytes: Uint8Array, before = 0): number {
  return divide(bytes, before) >>> 0;
}

function divide(bytes: Uint8Array, remainder: number): number {
  const tables = TABLES;
  const { length } = bytes;
  let crc = remainder;
  let i = 0;
  for (; i + 8 <= length; i += 8) {
    const low =
      crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    crc =
      tables[1792 + (low & 255)]! ^
      tables[1536 + ((low >>> 8) & 255)]! ^
      tables[1280 + ((low >>> 16) & 255)]! ^
      tables[1024 + (low >>> 24)]! ^
      tables[768 + bytes[i + 4]!]! ^
      tables[512 + bytes[i + 5]!]! ^
      tables[256 + bytes[i + 6]!]! ^
      tables[bytes[i + 7]!]!;
  }
  for (; i < length; i++) crc = tables[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return crc;
}

function buildTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256]!;
    tables[at] = (before >>> 8) ^ tables[before & 255]!;
  }
  return tables;
}

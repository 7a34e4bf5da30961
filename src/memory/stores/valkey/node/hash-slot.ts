/**
 * Which of a Redis cluster's 16,384 hash slots a key belongs to: CRC-16/XMODEM modulo 16384 (Redis cluster
 * specification, "Key distribution model"). Keys with a hash tag in braces are not ours and not handled.
 */

/** `before`: the CRC of what stands before `key`. */
export function crc16(key: string, before = 0): number {
  let crc = before;
  for (let i = 0; i < key.length; i++) {
    crc ^= key.charCodeAt(i) << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return crc & 0xffff;
}

export function hashSlot(key: string, before = 0): number {
  return crc16(key, before) & 16383;
}

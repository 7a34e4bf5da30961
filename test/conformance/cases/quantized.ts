/**
 * Cases of packed weights. Activations come in two kinds: numbers that 8 bits hold exactly, for which a
 * backend that rounds activations has no excuse, and any numbers, for which it may be off by as much
 * as ops.ts allows.
 */
import { type Shape, type Value, valueOf } from "../../../src/tensor/index.ts";
import { type Draw, draw } from "../random.ts";
import { type CasesOf, type Magnitude, type Numbers, opCase, type OpCase } from "./op-case.ts";

const RUN = 32;
/** The rounding error that the suite multiplies magnitudes with. */
const SUITE_RTOL = 3e-6;

type Bits = 4 | 8;

function packed(
  d: Draw,
  bits: Bits,
  { rows, width }: { rows: number; width: number },
): [codes: Value, scales: Value, offsets: Value] {
  const bytes = d.ints([rows, (width * bits) / 8], 256);
  const codes: Value = { ...bytes, dtype: "u8", data: Uint8Array.from(bytes.data) };
  const blocks = [rows, width / RUN];
  return [codes, d.normal(blocks, 0.1), d.normal(blocks)];
}

/** Whole numbers up to 127, which every run reaches, times a power of two of its own. */
function exactIn8Bits(d: Draw, shape: Shape): Value {
  const values = d.ints(shape, 255).data;
  const data = Float32Array.from(values, (v, i) => {
    const step = 2 ** ((Math.floor(i / RUN) % 7) - 5);
    return (i % RUN === 5 ? 127 : v - 127) * step;
  });
  return valueOf(data, shape);
}

/** |W|, column by column of a row, from the definition; of an offset and the rest apart, as they may be multiplied. */
function sizes(
  [codes, scales, offsets]: readonly [codes: Value, scales: Value, offsets: Value | undefined],
  bits: Bits,
): Float64Array {
  const width = scales.shape[1]! * RUN;
  return Float64Array.from({ length: codes.shape[0]! * width }, (_, i) => {
    const byte = codes.data[bits === 8 ? i : i >>> 1]!;
    const code = bits === 8 ? byte - 128 : ((byte >>> (4 * (i % 2))) & 15) - 8;
    const block = Math.floor(i / RUN);
    return Math.abs(code * scales.data[block]!) + Math.abs(offsets?.data[block] ?? 0);
  });
}

/** Per activation: how far rounding to 8 bits may move it. */
function liberty(x: Numbers): Float64Array {
  const moved = new Float64Array(x.length);
  for (let from = 0; from < x.length; from += RUN) {
    let amax = 0;
    for (let i = from; i < from + RUN; i++) amax = Math.max(amax, Math.abs(x[i]!));
    let isExact = amax > 0;
    for (let i = from; i < from + RUN; i++) isExact &&= Number.isInteger((x[i]! * 127) / amax);
    moved.fill(isExact ? 0 : amax / 254, from, from + RUN);
  }
  return moved;
}

const ofProduct: Magnitude<"matmulQuantized"> = ([x, codes, scales, offsets], { bits }) => {
  const w = sizes([codes!, scales!, offsets], bits);
  const [n, width] = x!.shape as [number, number];
  const rows = codes!.shape[0]!;
  const moved = liberty(x!.data);
  return [
    Float64Array.from({ length: n * rows }, (_, at) => {
      const [i, m] = [Math.floor(at / rows), at % rows];
      let size = 0;
      for (let k = 0; k < width; k++)
        size +=
          (Math.abs(x!.data[i * width + k]!) + moved[i * width + k]! / SUITE_RTOL) *
          w[m * width + k]!;
      return size;
    }),
  ];
};

const products: readonly (readonly [n: number, width: number, rows: number])[] = [
  [1, 32, 1],
  [1, 64, 17],
  [1, 96, 256],
  [3, 256, 33],
  [16, 128, 130],
  [131, 512, 257],
  [195, 64, 33],
];

const productCases = ([4, 8] as const).flatMap((bits) =>
  products.flatMap(([n, width, rows], seed): OpCase<"matmulQuantized">[] => {
    const d = draw(seed + bits);
    const all = packed(d, bits, { rows, width });
    return [all.slice(0, 2), all].flatMap((weight) => {
      const offsets = weight.length > 2 ? ", offsets" : "";
      return [
        opCase([exactIn8Bits(d, [n, width]), ...weight], { bits }, `x exact in 8 bits${offsets}`),
        opCase([d.normal([n, width]), ...weight], { bits }, `any x${offsets}`),
      ];
    });
  }),
);

const idShapes: readonly Shape[] = [[1], [5], [2, 3], [1, 1]];

const rowCases = ([4, 8] as const).flatMap((bits) =>
  idShapes.flatMap((shape, seed) =>
    [32, 224].flatMap((width): OpCase<"gatherRowsQuantized">[] => {
      const d = draw(seed + width + bits);
      const all = packed(d, bits, { rows: 67, width });
      return [all.slice(0, 2), all].map((weight) =>
        opCase([d.ints(shape, 67), ...weight], { bits }, weight.length > 2 ? "offsets" : ""),
      );
    }),
  ),
);

const ofRows: Magnitude<"gatherRowsQuantized"> = ([ids, codes, scales, offsets], { bits }) => {
  const w = sizes([codes!, scales!, offsets], bits);
  const width = w.length / codes!.shape[0]!;
  return [
    Float64Array.from(
      [...ids!.data].flatMap((id) => [...w.subarray(id * width, (id + 1) * width)]),
    ),
  ];
};

export const quantizedCases: CasesOf<"matmulQuantized" | "gatherRowsQuantized"> = {
  matmulQuantized: { magnitude: ofProduct, cases: productCases },
  gatherRowsQuantized: { magnitude: ofRows, cases: rowCases },
};

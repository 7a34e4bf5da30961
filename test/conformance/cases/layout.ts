/**
 * Cases of the ops that move elements, add them up, or take rows out of a table and back.
 */
import { type Shape, type Value, valueOf } from "../../../src/tensor/index.ts";
import { type Draw, draw } from "../random.ts";
import { type CasesOf, opCase, type OpCases, sumOfTerms } from "./op-case.ts";

const none = {};

/** The same shape in each element type. */
function ofEachType(d: Draw, shape: Shape): Value[] {
  return [d.normal(shape), d.ints(shape, 1000), d.bools(shape)];
}

function permutations(n: number): number[][] {
  if (n === 0) return [[]];
  return permutations(n - 1).flatMap((rest) =>
    Array.from(rest.concat(0), (_, i) => rest.toSpliced(i, 0, n - 1)),
  );
}

const reshapes: readonly (readonly [Shape, Shape])[] = [
  [
    [2, 3, 4],
    [4, 6],
  ],
  [[2, 3, 4], [24]],
  [
    [24, 1],
    [1, 2, 3, 4],
  ],
  [[1], []],
  [[], [1, 1]],
  [
    [5, 7],
    [5, 7],
  ],
];

const transposes: readonly (readonly [Shape, readonly number[]])[] = [
  ...permutations(4).map((perm) => [[2, 3, 4, 5], perm] as const),
  ...permutations(3).map((perm) => [[3, 4, 5], perm] as const),
  ...permutations(2).map((perm) => [[33, 65], perm] as const),
  [[7], [0]],
  [
    [1, 5, 1, 3],
    [0, 2, 1, 3],
  ],
  [
    [2, 1, 33, 17],
    [0, 2, 1, 3],
  ],
  [
    [3, 131, 5, 64],
    [0, 2, 1, 3],
  ],
  [
    [2, 3, 1, 2, 3],
    [4, 2, 0, 3, 1],
  ],
];

const slices = [
  { shape: [7], axis: 0, start: 0, end: 1 },
  { shape: [7], axis: 0, start: 6, end: 7 },
  { shape: [7], axis: 0, start: 0, end: 7 },
  { shape: [5, 6], axis: 0, start: 1, end: 4 },
  { shape: [5, 6], axis: 1, start: 2, end: 3 },
  { shape: [2, 3, 4, 5], axis: 0, start: 1, end: 2 },
  { shape: [2, 3, 4, 5], axis: 1, start: 0, end: 2 },
  { shape: [2, 3, 4, 5], axis: 2, start: 3, end: 4 },
  { shape: [2, 3, 4, 5], axis: 3, start: 1, end: 5 },
  { shape: [3, 1, 2], axis: 1, start: 0, end: 1 },
] as const;

const pads = [
  { shape: [3], axis: 0, before: 2, after: 1 },
  { shape: [3], axis: 0, before: 0, after: 0 },
  { shape: [2, 5], axis: 0, before: 3, after: 0 },
  { shape: [2, 5], axis: 1, before: 0, after: 4 },
  { shape: [2, 3, 5], axis: 1, before: 3, after: 0 },
  { shape: [2, 1, 3, 4], axis: 2, before: 1, after: 2 },
  { shape: [33, 17], axis: 1, before: 1, after: 1 },
] as const;

const concats: readonly { parts: readonly Shape[]; axis: number }[] = [
  { parts: [[3], [2]], axis: 0 },
  { parts: [[3]], axis: 0 },
  {
    parts: [
      [2, 3],
      [2, 1],
      [2, 4],
    ],
    axis: 1,
  },
  {
    parts: [
      [1, 5],
      [3, 5],
    ],
    axis: 0,
  },
  {
    parts: [
      [2, 3, 1, 5],
      [2, 3, 4, 5],
    ],
    axis: 2,
  },
  {
    parts: [
      [2, 3, 4, 2],
      [2, 3, 4, 2],
    ],
    axis: 3,
  },
];

const broadcasts: readonly (readonly [Shape, Shape])[] = [
  [[], [2, 3]],
  [[1], [7]],
  [
    [3, 1],
    [2, 3, 4],
  ],
  [
    [1, 1, 5],
    [4, 3, 5],
  ],
  [[5], [2, 3, 5]],
  [
    [2, 3],
    [2, 3],
  ],
  [
    [2, 1, 3, 1],
    [2, 4, 3, 33],
  ],
];

const reductions: readonly (readonly [Shape, readonly number[]])[] = [
  [[7], [0]],
  [[1], [0]],
  [[2, 3, 5], [0]],
  [[2, 3, 5], [1]],
  [[2, 3, 5], [2]],
  [
    [2, 3, 5],
    [0, 1],
  ],
  [
    [2, 3, 5],
    [2, 0],
  ],
  [
    [2, 3, 5],
    [0, 1, 2],
  ],
  [[1, 4, 1], [0]],
  [
    [1, 4, 1],
    [1, 2],
  ],
  [
    [2, 3, 4, 5],
    [1, 3],
  ],
  [[3, 1000], [1]],
  [[1000, 3], [0]],
  [[129, 65], [0]],
  [[301, 1003], [1]],
  [[301, 1003], [0]],
];

function reduction<K extends "reduceSum" | "reduceMean">(op: K): OpCases<K> {
  return {
    magnitude: sumOfTerms(op),
    cases: reductions.map(([shape, axes], i) =>
      opCase<K>([draw(i).normal(shape)], { axes }, `over ${axes.join(",")}`),
    ),
  };
}

const gathers: readonly (readonly [rows: number, width: number, ids: Shape])[] = [
  [11, 7, []],
  [11, 7, [5]],
  [11, 1, [2, 3]],
  [1, 5, [4]],
  [50, 33, [2, 3, 4]],
  [300, 16, [1, 700]],
];

const ids = (...numbers: number[]): Value => valueOf(Int32Array.from(numbers), [numbers.length]);

const scatters: readonly { title: string; ids: Value; width: number; numRows: number }[] = [
  { title: "one id", ids: valueOf(Int32Array.of(3), []), width: 4, numRows: 5 },
  { title: "untouched rows stay zero", ids: ids(0, 9, 4), width: 3, numRows: 10 },
  { title: "one row", ids: ids(0, 0, 0), width: 2, numRows: 1 },
  { title: "5000 ids over 7 rows", ids: draw(1).ints([5000], 7), width: 5, numRows: 7 },
  { title: "4000 equal ids", ids: ids(...Array(4000).fill(2)), width: 3, numRows: 4 },
  { title: "width 1", ids: draw(2).ints([3000], 11), width: 1, numRows: 13 },
  { title: "2-D ids", ids: draw(3).ints([40, 50], 1000), width: 33, numRows: 1000 },
  { title: "4096 ids of a vocabulary", ids: draw(4).ints([8, 512], 500), width: 64, numRows: 512 },
  { title: "each id once, backwards", ids: ids(4, 3, 2, 1, 0), width: 6, numRows: 5 },
];

type Names =
  | "reshape"
  | "transpose"
  | "slice"
  | "pad"
  | "concat"
  | "split"
  | "broadcastTo"
  | "reduceSum"
  | "reduceMean"
  | "gatherRows"
  | "scatterAddRows";

export const layoutCases: CasesOf<Names> = {
  reshape: {
    magnitude: "exact",
    cases: reshapes.flatMap(([from, shape], i) =>
      ofEachType(draw(i), from).map((v) => opCase<"reshape">([v], { shape }, `to [${shape}]`)),
    ),
  },
  transpose: {
    magnitude: "exact",
    cases: transposes.flatMap(([shape, perm], i) => {
      const values = i % 8 === 7 ? ofEachType(draw(i), shape) : [draw(i).normal(shape)];
      return values.map((v) => opCase<"transpose">([v], { perm }, `by ${perm.join(",")}`));
    }),
  },
  slice: {
    magnitude: "exact",
    cases: slices.flatMap(({ shape, ...attrs }, i) =>
      ofEachType(draw(i), shape).map((v) =>
        opCase<"slice">([v], attrs, `axis ${attrs.axis} from ${attrs.start} to ${attrs.end}`),
      ),
    ),
  },
  pad: {
    magnitude: "exact",
    cases: pads.map(({ shape, ...attrs }, i) =>
      opCase<"pad">(
        [draw(i).normal(shape)],
        attrs,
        `axis ${attrs.axis} by ${attrs.before} and ${attrs.after}`,
      ),
    ),
  },
  concat: {
    magnitude: "exact",
    cases: concats.flatMap(({ parts, axis }, i) => {
      const d = draw(i);
      const typed = parts.map((shape) => ofEachType(d, shape));
      return [0, 1, 2].map((type) =>
        opCase<"concat">(
          typed.map((values) => values[type]!),
          { axis },
          `along ${axis}`,
        ),
      );
    }),
  },
  split: {
    magnitude: "exact",
    cases: (
      [
        { shape: [6], axis: 0, parts: 2 },
        { shape: [6], axis: 0, parts: 1 },
        { shape: [1, 512], axis: 1, parts: 2 },
        { shape: [2, 9, 5], axis: 1, parts: 3 },
        { shape: [4, 3, 1], axis: 0, parts: 4 },
      ] as const
    ).map(({ shape, ...attrs }, i) =>
      opCase<"split">([draw(i).normal(shape)], attrs, `axis ${attrs.axis} into ${attrs.parts}`),
    ),
  },
  broadcastTo: {
    magnitude: "exact",
    cases: broadcasts.map(([from, shape], i) =>
      opCase<"broadcastTo">([draw(i).normal(from)], { shape }, `to [${shape}]`),
    ),
  },
  reduceSum: reduction("reduceSum"),
  reduceMean: reduction("reduceMean"),
  gatherRows: {
    magnitude: "exact",
    cases: [
      ...gathers.map(([rows, width, shape], i) => {
        const d = draw(i);
        return opCase<"gatherRows">([d.normal([rows, width]), d.ints(shape, rows)], none);
      }),
      opCase<"gatherRows">([draw(9).normal([6, 3]), ids(5, 0, 5, 5)], none, "first and last row"),
    ],
  },
  scatterAddRows: {
    magnitude: sumOfTerms("scatterAddRows"),
    cases: scatters.map((s, i) =>
      opCase<"scatterAddRows">(
        [s.ids, draw(i).normal([...s.ids.shape, s.width])],
        { numRows: s.numRows },
        `into ${s.numRows} rows: ${s.title}`,
      ),
    ),
  },
};

/** Numbers of training as text: amounts with a letter, durations, losses. */
import { count, fixed } from "../../format.ts";
import type { XAxis } from "./series.ts";

const letters: readonly (readonly [number, string])[] = [
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** "6.55 M". */
export function amount(value: number): string {
  for (const [unit, letter] of letters)
    if (Math.abs(value) >= unit) return `${Number((value / unit).toPrecision(3))} ${letter}`;
  return String(Number(value.toPrecision(3)));
}

/** "0:05", "12:34", "1:02:03". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  const rest = String(whole % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** Four significant digits, whatever the size. */
export function loss(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.01) return value.toExponential(2).replace("-", "\u2212");
  return fixed(value, Math.abs(value) >= 10 ? 2 : 3);
}

const wholes = [0, 1, 2, 3, 4, 5, 6].flatMap((power) =>
  [1, 2, 5].map((digit) => digit * 10 ** power),
);
const minute = 60;
const hour = 60 * minute;

export const axes: Readonly<
  Record<
    XAxis,
    {
      readonly label: string;
      readonly format: (value: number) => string;
      /** Distances between marks that read well; any where there are none. */
      readonly increments: readonly number[] | undefined;
    }
  >
> = {
  step: { label: "step", format: (value) => count(Math.round(value)), increments: wholes },
  tokens: { label: "tokens trained on", format: amount, increments: undefined },
  time: {
    label: "training time",
    format: duration,
    increments: [
      ...[1, 2, 5, 10, 30],
      ...[1, 2, 5, 10, 20, 30].map((minutes) => minutes * minute),
      ...[1, 2, 4, 8, 12, 24, 48, 96].map((hours) => hours * hour),
    ],
  },
};

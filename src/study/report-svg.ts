/** A study's differences as a picture: the predicted ones, then every arm against the base, each seed beside them. */
import { type IntervalPlot, intervalPlots } from "../eval/index.ts";
import { metricOf } from "./metrics.ts";
import { differenceWords } from "./report-markdown.ts";
import type { StudyReport } from "./report.ts";

type Mark = IntervalPlot["sections"][number]["marks"][number];

export function studySvg(report: StudyReport): string {
  const { title, seeds, sha256, runsDone, runsPlanned, differences } = report;
  const names = [...new Set([...report.predictions, ...differences].map(({ metric }) => metric))];
  const plots = names.flatMap((metric): IntervalPlot[] => {
    const { unit } = metricOf(metric)!;
    const predicted = report.predictions.filter((one) => one.metric === metric);
    const against = differences.filter((one) => one.metric === metric);
    return [
      {
        title: `${metric}: what was predicted`,
        unit,
        sections: predicted.flatMap(({ difference, bound, found, bySeed, verdict }) =>
          found === null
            ? []
            : [
                {
                  name: `${differenceWords(difference)}: ${bound.kind === "atMost" ? "at most" : "at least"} ${bound.value}, ${verdict}`,
                  marks: marksOf(found, bySeed, verdict),
                },
              ],
        ),
      },
      {
        title: `${metric}: less that of "${against[0]?.against ?? ""}"`,
        unit,
        sections: against.map((one) => ({ name: one.arm, marks: marksOf(one, one.bySeed, "") })),
      },
    ];
  });
  return intervalPlots(plots, [
    title.slice(0, 110),
    `${runsDone} of ${runsPlanned} runs; lines are 95 % intervals (Student's t) over ${seeds.length} seeds; right of 0 is more, so worse where less is better`,
    `registered as ${sha256}`,
  ]);
}

function marksOf(
  { mean, plusMinus }: { readonly mean: number; readonly plusMinus: number | null },
  bySeed: Readonly<Record<string, number>>,
  figure: string,
): Mark[] {
  return [
    { label: "mean", value: mean, plusMinus, figure },
    ...Object.entries(bySeed).map(([seed, value]) => ({
      label: `seed ${seed}`,
      value,
      plusMinus: null,
      figure: "",
    })),
  ];
}

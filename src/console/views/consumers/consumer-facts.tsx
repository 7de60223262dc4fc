import type { ConsumerInfo } from "../../../../rpc/index.ts";
import { Facts } from "../../parts/facts.tsx";
import { formatNumber } from "../../parts/format.ts";

import { startText } from "./draft.ts";
import { countText, lagMessages, lagTime } from "./lag.ts";
import type { Lag } from "./lag.ts";
import { deadLettersHref } from "./places.ts";

/** Every figure of a consumer. */
export function ConsumerFacts({ stream, info, lag }: { stream: string; info: ConsumerInfo; lag: Lag | undefined }) {
  const { consumer, pendingIsEstimate: isEstimate, lost } = info;
  const counting = isEstimate === true ? "still being counted: at least so many" : undefined;
  return (
    <Facts
      facts={[
        { label: "Deliveries", value: info.paused ? <span class="mark">paused</span> : "on" },
        { label: "Lag", value: countText(lagMessages(info), isEstimate), note: counting ?? "messages not acked" },
        { label: "Lag in time", value: lagTime(lag), note: "age of the first message not acked" },
        { label: "Pending", value: countText(info.pending, isEstimate), note: counting ?? "not in flight" },
        { label: "In flight", value: formatNumber(info.inFlight), note: "delivered, not acked" },
        { label: "Redelivered", value: formatNumber(info.redelivered), note: "of those not acked" },
        { label: "Acked up to", value: formatNumber(info.ackFloor), note: "sequence" },
        {
          label: "Dead letters",
          value: <a href={deadLettersHref(stream, consumer)}>{formatNumber(info.deadLetters)}</a>,
        },
        {
          label: "Lost",
          value: lost === undefined ? "0" : countText(lost.total, lost.totalIsEstimate),
          note:
            lost === undefined
              ? "deleted before they were acked"
              : `between ${formatNumber(lost.from)} and ${formatNumber(lost.to)}`,
        },
        { label: "Subscriptions", value: formatNumber(info.subscriptions), note: "that share it now" },
        { label: "Started with", value: startText(info.config.from) },
        { label: "Epoch", value: <span class="mono">{info.epoch}</span> },
      ]}
    />
  );
}

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";

import { GetMessagesParams } from "../../../../rpc/index.ts";
import { ErrorNotice } from "../../parts/notice.tsx";
import { faultOf } from "../../parts/valid.ts";
import { go } from "../../router.ts";
import type { Row } from "../../tail/rows.ts";
import { Search } from "../../tail/search.ts";
import type { StreamViewProps } from "../../view.ts";

import { ListEnd, ListStart, MissingStream, OpenFault } from "./edges.tsx";
import { MessageList } from "./list.tsx";
import { placeOf } from "./place.ts";
import { Scroller } from "./scroller.ts";
import type { Position } from "./scroller.ts";
import { SearchBar } from "./search-bar.tsx";
import { StatusBar } from "./status-bar.tsx";
import { FilterForm, PlaceForm } from "./toolbar.tsx";
import { useKeys } from "./use-keys.ts";
import { useTail } from "./use-tail.ts";

/** The messages of a stream: any part of it, and what comes at its end. */
export function Messages({ stream, query }: StreamViewProps) {
  const at = query.get("at");
  const given = query.get("filter") ?? "";
  const fault = given === "" ? undefined : faultOf(GetMessagesParams.entries.filter, given);
  const filter = given === "" || fault !== undefined ? undefined : given;
  const tail = useTail(stream, filter);
  const { rows, state } = tail;
  const [, redraw] = useState({});
  const [scroller] = useState(() => new Scroller());
  const [activeKey, setActive] = useState<string | undefined>();
  const [openKeys, setOpenKeys] = useState<ReadonlySet<string>>(new Set());
  const { asked, goTo } = usePlace(stream, given, at);
  const { landed } = useLanding(tail, at, asked);
  const search = useSearch(rows);

  useEffect(() => {
    const row = landed === undefined ? undefined : rowOf(rows, landed.sequence);
    if (row !== undefined) {
      setActive(row.key);
      setOpenKeys(landed?.isLink === true && row.kind === "message" ? new Set([row.key]) : new Set());
      scroller.show(row.key, "middle");
    }
  }, [landed]);

  const visit = (row: Row | undefined, where: "nearest" | "middle") => {
    if (row !== undefined) {
      tail.follow(false);
      setActive(row.key);
      scroller.show(row.key, where);
      // The row may be the active one already.
      redraw({});
    }
  };
  const toggle = useCallback(
    (row: Row) => {
      tail.follow(false);
      setActive(row.key);
      setOpenKeys((before) => {
        const after = new Set(before);
        if (!after.delete(row.key)) {
          after.add(row.key);
        }
        return after;
      });
    },
    [tail],
  );
  const toLast = () => {
    if (state.isJoined && !state.isPaused) {
      tail.follow(true);
    } else {
      goTo(undefined);
    }
  };
  const togglePause = () => (state.isPaused ? tail.resume() : tail.pause());
  const step = (by: 1 | -1) => {
    const index = nextMatch(
      search.found,
      rows.findIndex(({ key }) => key === activeKey),
      by,
    );
    visit(index === undefined ? undefined : rows[index], "middle");
  };
  useKeys({
    move: (by) => {
      const { seen } = scroller;
      const active = rows.findIndex(({ key }) => key === activeKey);
      const isSeen = active >= seen.first - 1 && active <= seen.last + 1;
      const next = isSeen ? active + by : by === 1 ? seen.first : seen.last;
      if (next === rows.length && state.isAtEnd) {
        tail.follow(true);
      } else {
        visit(rows[next], "nearest");
      }
    },
    toFirst: () => goTo("first"),
    toLast,
    toggle: () => {
      const row = rows.find(({ key }) => key === activeKey);
      if (row !== undefined) {
        toggle(row);
      }
    },
    pause: togglePause,
    search: () => search.input.current?.focus(),
  });

  const moved = ({ isNearStart, isNearEnd, isAtEnd }: Position, byReader: boolean) => {
    if (isNearStart) {
      tail.loadPrevious();
    }
    if (isNearEnd) {
      tail.loadNext();
    }
    const now = tail.state;
    if (byReader && now.isFollowing !== isAtEnd && (!isAtEnd || now.isAtEnd)) {
      tail.follow(isAtEnd);
    }
  };

  return (
    <>
      <h2 class="unseen">Messages</h2>
      <div class="bar">
        <FilterForm filter={given} onFilter={(next) => go(["streams", stream, "messages"], addressOf(next, null))} />
        <PlaceForm onPlace={goTo} />
        <SearchBar
          input={search.input}
          text={search.text}
          count={search.found.length}
          at={search.found.findIndex((index) => rows[index]?.key === activeKey) + 1}
          onText={search.setText}
          onStep={step}
          onLeave={() => document.querySelector<HTMLElement>(".messages")?.focus()}
        />
      </div>
      {fault !== undefined && <ErrorNotice error={new Error(`The filter of this address is none: ${fault}`)} />}
      {state.error !== undefined && !state.isOpen ? (
        <MissingStream error={state.error} stream={stream} onAgain={() => goTo(at ?? undefined)} />
      ) : (
        <>
          <div class="message-moves" role="toolbar" aria-label="Where to look">
            <button type="button" onClick={() => goTo("first")} title="Home">
              First
            </button>
            <button type="button" onClick={toLast} title="End">
              Last
            </button>
            <button type="button" aria-pressed={state.isPaused} onClick={togglePause} title="Space">
              {state.isPaused ? "Resume" : "Pause"}
            </button>
            <StatusBar state={state} onNew={state.isPaused ? togglePause : toLast} />
          </div>
          <OpenFault error={state.error} onAgain={() => void tail.goOn()} />
          <MessageList
            label={`Messages of ${stream}`}
            rows={rows}
            scroller={scroller}
            isFollowing={state.isFollowing}
            isBusy={state.isLoading}
            openKeys={openKeys}
            activeKey={activeKey}
            queryOf={search.queryOf}
            onToggle={toggle}
            onMoved={moved}
            above={<ListStart state={state} onMore={() => tail.loadPrevious(true)} />}
            below={<ListEnd state={state} isEmpty={rows.length === 0} onGoOn={() => void tail.goOn()} />}
          />
        </>
      )}
    </>
  );
}

/** The place that the address names, which may be asked for again while it is the same. */
function usePlace(stream: string, filter: string, at: string | null) {
  const [asked, setAsked] = useState(0);
  const goTo = (next: string | undefined) => {
    if ((next ?? null) === at) {
      setAsked((before) => before + 1);
    } else {
      go(["streams", stream, "messages"], addressOf(filter, next ?? null));
    }
  };
  return { asked, goTo };
}

/** Opens the place that was asked for. @returns Where that was, once it is held: the end is not told. */
function useLanding(tail: ReturnType<typeof useTail>, at: string | null, asked: number) {
  const [landed, setLanded] = useState<{ sequence: number; isLink: boolean } | undefined>();
  useEffect(() => {
    let isOver = false;
    const place = placeOf(at);
    const land = async () => {
      await tail.open(place);
      const first = tail.rows.find(({ kind }) => kind !== "epoch");
      if (!isOver && place !== "last" && first !== undefined && tail.state.error === undefined) {
        const isLink = typeof place === "object" && "sequence" in place;
        setLanded({ sequence: isLink ? place.sequence : sequenceOf(first), isLink });
      }
    };
    void land();
    return () => {
      isOver = true;
    };
  }, [tail, at, asked]);
  return { landed };
}

/** What is looked for in the rows that are held. */
function useSearch(rows: readonly Row[]) {
  const [text, setText] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const search = useMemo(() => new Search(text), [text]);
  const found = text === "" ? [] : search.placesIn(rows);
  const queryOf = (row: Row) => (text !== "" && search.has(row) ? text : "");
  return { text, setText, input, found, queryOf };
}

/** The place of the next row that was found, or of the first of them behind the last. */
function nextMatch(found: readonly number[], from: number, by: 1 | -1): number | undefined {
  return by === 1
    ? (found.find((index) => index > from) ?? found[0])
    : (found.findLast((index) => from === -1 || index < from) ?? found.at(-1));
}

/** The row of a sequence, or the next one behind it. */
function rowOf(rows: readonly Row[], sequence: number): Row | undefined {
  return rows.find((row) => row.kind !== "epoch" && (row.kind === "gap" ? row.to : row.sequence) >= sequence);
}

function sequenceOf(row: Row): number {
  return row.kind === "message" ? row.sequence : row.kind === "gap" ? row.from : 1;
}

function addressOf(filter: string, at: string | null): Record<string, string> {
  return { ...(filter === "" ? {} : { filter }), ...(at === null ? {} : { at }) };
}

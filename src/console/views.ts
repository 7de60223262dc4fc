import type { SectionProps, StreamViewProps, View } from "./view.ts";
import { Consumers } from "./views/consumers/consumers.tsx";
import { Objects } from "./views/objects/objects.tsx";
import { Messages } from "./views/messages/messages.tsx";
import { Overview } from "./views/overview/overview.tsx";
import { Publish } from "./views/publish/publish.tsx";
import { Server } from "./views/server.tsx";
import { State } from "./views/state/state.tsx";
import { Streams } from "./views/streams.tsx";

/** The sections, at `#/<path>`, in the order of the navigation; the first is where `#/` leads. */
export const SECTIONS: readonly View<SectionProps>[] = [
  { path: "streams", label: "Streams", View: Streams },
  { path: "objects", label: "Objects", View: Objects },
  { path: "server", label: "Server", View: Server },
];

/** The views of a stream, at `#/streams/<name>/<path>`, in the order of its tabs; the first is where a stream opens. */
export const STREAM_VIEWS: readonly View<StreamViewProps>[] = [
  { path: "overview", label: "Overview", View: Overview },
  { path: "messages", label: "Messages", View: Messages },
  { path: "publish", label: "Publish", View: Publish },
  { path: "state", label: "State", View: State },
  { path: "consumers", label: "Consumers", View: Consumers },
];

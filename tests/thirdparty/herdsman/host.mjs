// An unmodified zigbee-herdsman as host of a simulated dongle. One JSON object per line on stdout.
//
//   node host.mjs ADAPTER URL MODE DIRECTORY [--ota FILE] [--install-code TEXT] [--devices N] [--channel N]
//                 [--response-delay MS] [--quiet]
//
// ADAPTER  ember | zstack
// URL      tcp://127.0.0.1:PORT, or the path of a serial device
// MODE     start   form or resume the network, then stop
//          join    the same, then permit joining until N devices are interviewed
//          update  the same, then update each device from FILE
//          idle    form or resume the network, and stay
// DIRECTORY keeps herdsman's database and backup between runs. --quiet keeps its log to warnings and errors, for
// measurements. SIGUSR2 makes it say how much CPU it took so far.

import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import herdsman from "zigbee-herdsman";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ota: { type: "string" },
    "install-code": { type: "string" },
    devices: { type: "string", default: "1" },
    channel: { type: "string", default: "15" },
    "response-delay": { type: "string", default: "0" },
    quiet: { type: "boolean", default: false },
  },
});
const [adapter, url, mode, directory] = positionals;
const wanted = Number(values.devices);

const say = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const log = (level) => (message) =>
  fs.appendFileSync(path.join(directory, "herdsman.log"), `${level} ${typeof message === "function" ? message() : message}\n`);
const unless = (quiet, level) => (quiet ? () => {} : log(level));
herdsman.setLogger({
  debug: unless(values.quiet, "debug"),
  info: unless(values.quiet, "info"),
  warning: log("warning"),
  error: log("error"),
});
process.on("SIGUSR2", () => {
  const { user, system } = process.cpuUsage();
  say("cpu", { seconds: (user + system) / 1e6 });
});

const controller = new herdsman.Controller({
  network: {
    panID: 0x1a62,
    extendedPanID: [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88],
    channelList: [Number(values.channel)],
    networkKey: [1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 13],
    networkKeyDistribute: false,
  },
  transport: { path: url, adapter },
  databasePath: path.join(directory, "database.db"),
  databaseBackupPath: path.join(directory, "database.db.backup"),
  backupPath: path.join(directory, "coordinator_backup.json"),
  adapter: { disableLED: false },
  acceptJoiningDeviceHandler: async () => true,
});

controller.on("adapterDisconnected", () => say("disconnected"));
controller.on("deviceJoined", ({ device }) => say("joined", { ieee: device.ieeeAddr }));
controller.on("deviceLeave", ({ ieeeAddr }) => say("left", { ieee: ieeeAddr }));

const known = () => [...controller.getDevicesIterator((d) => d.type !== "Coordinator")];

function interviewed() {
  return new Promise((resolve, reject) => {
    const check = () => {
      if (known().filter((d) => d.interviewState === "SUCCESSFUL").length >= wanted) resolve();
    };
    controller.on("deviceInterview", ({ status, device }) => {
      say("interview", { ieee: device.ieeeAddr, status });
      if (status === "failed") reject(new Error(`interview of ${device.ieeeAddr} failed`));
      check();
    });
    check();
  });
}

async function update(device) {
  const [from, to] = await device.updateOta(
    { url: values.ota, downgrade: false },
    undefined,
    undefined,
    {},
    (progress) => say("progress", { ieee: device.ieeeAddr, progress }),
    { requestTimeout: 30000, responseDelay: Number(values["response-delay"]), baseSize: 50 },
  );
  say("updated", { ieee: device.ieeeAddr, from: from.fileVersion, to: to?.fileVersion });
}

try {
  say("started", { result: await controller.start() });
  const parameters = await controller.getNetworkParameters();
  say("network", { channel: parameters.channel, pan: parameters.panID, epid: parameters.extendedPanID });
  if (mode === "idle") await new Promise(() => setInterval(() => {}, 1000));
  if (mode !== "start" && known().length < wanted) {
    if (values["install-code"]) await controller.addInstallCode(values["install-code"]);
    const done = interviewed();
    await controller.permitJoin(254);
    say("open");
    await done;
    await controller.permitJoin(0);
  }
  say("ready");
  if (mode === "update") await Promise.all(known().map(update));
  say("devices", { devices: known().map((d) => ({ ieee: d.ieeeAddr, endpoints: d.endpoints.map((e) => e.ID) })) });
  await controller.stop();
  say("stopped");
  process.exit(0);
} catch (error) {
  say("failed", { error: String(error), stack: error.stack });
  process.exit(1);
}

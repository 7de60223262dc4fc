/** Ends a process group, by its number in the only argument, as soon as the process that started this one is gone. */
process.once("disconnect", () => {
  try {
    process.kill(-Number(process.argv[2]), "SIGKILL");
  } catch {
    // Safe: there is no such group any more.
  }
});

// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

/** A scheduler, and how threads tell it what is urgent. All else is the same in all settings. */
enum Setting {
  DEFAULT("default", Telling.NOTHING, false),
  NICE("default + nice", Telling.NICE, false),
  SCX("scx, no hints", Telling.NOTHING, true),
  HINTS("scx, hints", Telling.HINT, true);

  private final String title;
  private final Telling telling;
  private final boolean scheduler;

  Setting(String title, Telling telling, boolean scheduler) {
    this.title = title;
    this.telling = telling;
    this.scheduler = scheduler;
  }

  String title() {
    return title;
  }

  Telling telling() {
    return telling;
  }

  boolean needsSchedExt() {
    return scheduler;
  }

  /** {@return what this setting runs under, until it is closed} */
  Scheduler start() {
    return scheduler ? Scheduler.load() : Scheduler.kernels();
  }
}

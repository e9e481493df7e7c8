// SPDX-License-Identifier: Apache-2.0

/** Shows the trace of OpenTelemetry's context, and listed values of it, to BPF programs. */
module io.github.tasklocal.opentelemetry {
  requires io.github.tasklocal.context;
  requires io.opentelemetry.api;
  requires io.opentelemetry.context;
  requires static io.opentelemetry.sdk.autoconfigure.spi;
  requires static io.opentelemetry.sdk.common;
  requires static io.opentelemetry.sdk.trace;
  requires static org.jspecify;

  exports io.github.tasklocal.opentelemetry;

  uses io.opentelemetry.context.ContextStorageProvider;

  provides io.opentelemetry.sdk.autoconfigure.spi.AutoConfigurationCustomizerProvider with
      io.github.tasklocal.opentelemetry.TaskLocalCustomizerProvider;
}

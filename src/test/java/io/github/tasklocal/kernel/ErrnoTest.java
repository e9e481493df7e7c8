// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ErrnoTest {

  @ParameterizedTest
  @CsvSource({
    "1, EPERM",
    "2, ENOENT",
    "22, EINVAL",
    "95, EOPNOTSUPP",
    "524, ENOTSUPP",
    "4001, LIBBPF_ERRNO__FORMAT"
  })
  void anErrnoHasItsName(int errno, String name) {
    assertThat(Errno.name(errno)).isEqualTo(name);
  }

  @Test
  void anUnknownErrnoKeepsItsNumber() {
    assertThat(Errno.name(4711)).isEqualTo("errno 4711");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 13})
  void whatIsNotAllowedIsNeverCalledUnsupported(int errno) {
    KernelException e = Errno.failure("load object", "it.bpf.o", errno);
    assertThat(e)
        .isExactlyInstanceOf(NotPermittedException.class)
        .hasMessageStartingWith("load object it.bpf.o: not allowed")
        .hasMessageContaining("(" + Errno.name(errno) + ")")
        .hasMessageEndingWith(e.cure());
    assertThat(e.getMessage()).doesNotContainIgnoringCase("support");
  }

  @ParameterizedTest
  @ValueSource(ints = {38, 524})
  void whatTheKernelDoesNotDoNamesNoVersionThatItHas(int errno) {
    KernelException e = Errno.failure("load object", "it.bpf.o", errno);
    assertThat(e).isExactlyInstanceOf(NotSupportedException.class);
    assertThat(e.getMessage().contains("6.13"))
        .as(e.getMessage())
        .isEqualTo(!KernelVersion.RUNNING.atLeast(6, 13));
  }

  @Test
  void whatIsAbsentIsNotFound() {
    assertThat(Errno.failure("open map", "/sys/fs/bpf/map", 2))
        .isExactlyInstanceOf(NotFoundException.class);
  }

  @ParameterizedTest
  @CsvSource({"24, ulimit -n", "23, ulimit -n", "12, control group"})
  void whatRunsOutNamesItsLimit(int errno, String cure) {
    assertThat(Errno.failure("register", "thread", errno))
        .isExactlyInstanceOf(KernelException.class)
        .hasMessageContaining(cure);
  }

  @Test
  void anyOtherErrnoIsToldAsItIs() {
    KernelException e = Errno.failure("update", "map", 7);
    assertThat(e).isExactlyInstanceOf(KernelException.class).hasMessageContaining("(E2BIG)");
    assertThat(e.operation()).isEqualTo("update");
    assertThat(e.subject()).isEqualTo("map");
    assertThat(e.errnoName()).isEqualTo("E2BIG");
  }

  @Test
  void onlyOurOwnExceptionsPassThroughACall() {
    IllegalStateException ours = new IllegalStateException("ours");
    assertThat(Errno.unexpected(ours)).isSameAs(ours);
    assertThat(Errno.unexpected(new Exception("checked"))).hasCauseInstanceOf(Exception.class);
    assertThatThrownBy(() -> Errno.unexpected(new StackOverflowError()))
        .isInstanceOf(StackOverflowError.class);
  }

  @Test
  void aFunctionThatLibbpfLacksIsNotSupported() {
    assertThat(Errno.unexpected(new LinkageError("function not found: bpf_new")))
        .isExactlyInstanceOf(NotSupportedException.class)
        .hasMessageContaining("function not found: bpf_new")
        .hasMessageContaining("install libbpf 1.1 or newer");
  }
}

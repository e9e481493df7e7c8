// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KernelVersionTest {

  @ParameterizedTest
  @CsvSource({
    "6.18.44-amd64, 6, 18",
    "6.12.107+deb13-cloud-amd64, 6, 12",
    "7.0-rc3, 7, 0",
    "6.13, 6, 13",
    "5.15.167.4-microsoft-standard-WSL2, 5, 15",
    "999999999.1, 999999999, 1"
  })
  void aVersionIsReadFromWhatUnameSays(String text, int major, int minor) {
    assertThat(KernelVersion.parse(text)).isEqualTo(new KernelVersion(text, major, minor));
    assertThat(KernelVersion.parse(text)).hasToString(text);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "6", "six.13", "v6.13", "9999999999.1", ".", "-6.13"})
  void whatIsNoVersionIsOlderThanAll(String text) {
    assertThat(KernelVersion.parse(text)).isEqualTo(new KernelVersion(text, 0, 0));
    assertThat(KernelVersion.parse(text).atLeast(1, 0)).isFalse();
  }

  @ParameterizedTest
  @CsvSource({
    "6.13.0, true",
    "6.14.0, true",
    "7.0.0, true",
    "10.1, true",
    "6.12.107, false",
    "6.2.16, false",
    "5.19.0, false"
  })
  void versionsCompareByNumberNotByText(String text, boolean enough) {
    assertThat(KernelVersion.parse(text).atLeast(6, 13)).isEqualTo(enough);
  }

  @Test
  void theRunningKernelHasAVersion() {
    assertThat(KernelVersion.RUNNING.text()).isEqualTo(System.getProperty("os.version"));
  }
}

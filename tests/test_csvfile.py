"""Tables on disk: what was changed by hand is refused."""

import pandas as pd
import pytest

from ultralow import csvfile
from ultralow.errors import StudyError


def test_a_kept_table_is_refused_once_it_is_another(tmp_path):
    path = tmp_path / "area.csv"
    csvfile.write_with_checksum(pd.DataFrame({"network": ["a"], "lut": [12]}), path)
    assert csvfile.read(path)["lut"].tolist() == [12]
    path.write_text(path.read_text().replace("12", "11"))
    with pytest.raises(StudyError, match="SHA-256 is not the one in area.csv.sha256"):
        csvfile.read(path)
    csvfile.write_with_checksum(pd.DataFrame({"network": ["b"], "lut": [11]}), path)
    assert csvfile.read(path)["network"].tolist() == ["b"]
